/* The review queue by keyboard. Everything works without it: each ad has its own form. */

const cards = [...document.querySelectorAll("[data-review]")];
let current = cards.find((card) => card.dataset.review === document.querySelector("[data-at]")?.dataset.at) ?? cards[0];
// A decision that is on its way must not be followed by a second one for the next key press.
let sent = false;

function select(card, { scroll = true } = {}) {
  if (!card) return;
  current?.classList.remove("is-current");
  current = card;
  current.classList.add("is-current");
  if (scroll) current.scrollIntoView({ block: "nearest" });
}

function move(step) {
  select(cards[cards.indexOf(current) + step]);
}

function decide(verdict) {
  if (!current || sent) return;
  const button = current.querySelector(`button[value="${verdict}"]`);
  if (button && !button.disabled) button.click();
}

const ACTIONS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  a: () => decide("approve"),
  r: () => current?.querySelector("[name=reason]")?.focus(),
  x: () => current?.querySelector("[name=chosen]")?.click(),
  o: () => current?.querySelector("[data-landing]")?.focus(),
  u: () => !sent && document.querySelector("[data-undo]")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  const act = ACTIONS[event.key];
  if (!act || (event.target.closest("a, button, summary") && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});

for (const card of cards) {
  card.addEventListener("focusin", () => select(card, { scroll: false }));
  card.querySelector("form")?.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    const next = cards[cards.indexOf(card) + 1] ?? cards[cards.indexOf(card) - 1];
    event.target.elements.next.value = next?.dataset.review ?? "";
  });
}

// A page that comes back from the browser's memory may be decided on again.
window.addEventListener("pageshow", () => { sent = false; });

const chosen = document.querySelector("[data-chosen]");
document.addEventListener("change", (event) => {
  if (!event.target.matches("[name=chosen]") || !chosen) return;
  const count = document.querySelectorAll("[name=chosen]:checked").length;
  chosen.hidden = count === 0;
  chosen.querySelector("[data-count]").textContent = count;
});

select(current, { scroll: false });

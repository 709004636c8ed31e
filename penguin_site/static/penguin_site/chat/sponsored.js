// The ad beside an answer: labelled, told to the marketplace when it was really seen, gone when it is dismissed.

import { announce, clone, place, showPlainly } from './dom.js';
import { post } from './api.js';

const SEEN_PART = 0.5; // of the card, for so long: then it counts as seen
const SEEN_FOR = 1000;
export const DISMISSED = 'sponsored-dismissed';

/** The card of one unit beside the message `answerId`. Its texts are an advertiser's: shown as text, and nothing else. */
export function sponsoredCard(unit, answerId) {
  const card = clone('sponsored-card');
  const { creative, disclosure } = unit;
  showPlainly(place(card, 'label'), disclosure.label);
  showPlainly(place(card, 'sponsor'), disclosure.sponsor_name);
  showPlainly(place(card, 'title'), creative.title);
  showPlainly(place(card, 'body'), creative.body);
  showPlainly(place(card, 'cta'), creative.cta);
  place(card, 'why').textContent = disclosure.why;
  const link = place(card, 'link');
  if (/^https?:\/\//.test(unit.click_url)) link.href = unit.click_url;
  watch(card, answerId);
  place(card, 'dismiss').addEventListener('click', () => dismiss(card, answerId));
  return card;
}

function watch(card, answerId) {
  let timer = 0;
  const observer = new IntersectionObserver(([entry]) => {
    clearTimeout(timer);
    if (!entry.isIntersecting) return;
    timer = setTimeout(() => {
      observer.disconnect();
      // Once is enough for the server, and a report that is lost costs the reader nothing.
      post(`/api/v1/messages/${answerId}/sponsored/seen`).catch(() => {});
    }, SEEN_FOR);
  }, { threshold: SEEN_PART });
  observer.observe(card);
}

async function dismiss(card, answerId) {
  const problem = place(card, 'problem');
  try {
    await post(`/api/v1/messages/${answerId}/sponsored/dismiss`);
    card.dispatchEvent(new CustomEvent(DISMISSED, { bubbles: true }));
    card.remove();
    announce('The suggestion is gone. There are no more in this conversation.');
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

// The theme opens menus, filters and the sidebar by elements that only a pointer reaches. Here they become buttons.
document.addEventListener('DOMContentLoaded', () => {
  const names = {
    'sidebarMobileOpen': 'Menu',
    'sidebarDesktopOpen': 'Menu',
    'openUserLinks': 'Account and theme',
    'filterOpen = false': 'Close filters',
    'filterOpen': 'Filters',
    'openRelatedWidgetWrapper': 'More about what is chosen',
  };
  const isReachable = 'a[href], button, input, select, textarea, summary';

  function makeButton(element) {
    if (element.matches(isReachable) || element.hasAttribute('tabindex')) return;
    const act = element.getAttribute('x-on:click') ?? element.getAttribute('@click');
    if (!act || element.querySelector(isReachable)) return;
    element.tabIndex = 0;
    element.setAttribute('role', 'button');
    const name = Object.keys(names).find((part) => act.includes(part));
    const isIcon = (node) => node.classList?.contains('material-symbols-outlined');
    const isNamed = !isIcon(element) && [...element.childNodes].some((node) => !isIcon(node) && node.textContent.trim());
    if (name && !isNamed) element.setAttribute('aria-label', names[name]);
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      element.click();
    });
  }

  /** Select2 puts an element of its own in place of a select, and does not take its label along. */
  function nameSelect(select) {
    const name = select.labels[0]?.textContent.trim();
    const shown = select.nextElementSibling;
    if (!name || !shown?.classList.contains('select2')) return;
    for (const part of shown.querySelectorAll('[role=combobox], [role=textbox]')) part.setAttribute('aria-label', name);
  }

  // Their own scripts make these when the page has loaded; this listener is called after theirs.
  window.addEventListener('load', () => setTimeout(() => {
    document.querySelectorAll('select.select2-hidden-accessible').forEach(nameSelect);
    for (const tip of document.querySelectorAll('.help-tooltip[aria-label]')) tip.setAttribute('role', 'img');
  }));
  for (const element of document.querySelectorAll('[x-on\\:click]')) makeButton(element);
  // Icons are ligatures: without this, their names would be read out.
  for (const link of document.querySelectorAll('a[href]:not([aria-label])')) {
    const icons = link.querySelectorAll('.material-symbols-outlined');
    const text = [...icons].reduce((left, icon) => left.replace(icon.textContent, ''), link.textContent).trim();
    if (icons.length && !text) link.setAttribute('aria-label', link.title || 'To the dashboard');
  }
  for (const icon of document.querySelectorAll('.material-symbols-outlined:not([role])')) icon.setAttribute('aria-hidden', 'true');
  for (const input of document.querySelectorAll('input#searchbar:not([aria-label])')) input.setAttribute('aria-label', 'Search');
  for (const box of document.querySelectorAll('.pg-code, .pg-text')) if (box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  document.getElementById('searchbar-submit')?.setAttribute('aria-label', 'Search');
});

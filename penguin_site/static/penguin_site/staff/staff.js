// The theme opens menus, filters and the sidebar by elements that only a pointer reaches. Here they become buttons.
document.addEventListener('DOMContentLoaded', () => {
  const names = {
    'sidebarMobileOpen': 'Menu',
    'sidebarDesktopOpen': 'Menu',
    'openUserLinks': 'Account and theme',
    'filterOpen = false': 'Close filters',
    'filterOpen': 'Filters',
  };
  const isReachable = 'a[href], button, input, select, textarea, summary';

  function makeButton(element) {
    if (element.matches(isReachable) || element.hasAttribute('tabindex')) return;
    const act = element.getAttribute('x-on:click') ?? element.getAttribute('@click');
    if (!act || element.querySelector(isReachable)) return;
    element.tabIndex = 0;
    element.setAttribute('role', 'button');
    const name = Object.keys(names).find((part) => act.includes(part));
    const isNamed = [...element.childNodes].some((node) => !node.classList?.contains('material-symbols-outlined') && node.textContent.trim());
    if (name && !isNamed) element.setAttribute('aria-label', names[name]);
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      element.click();
    });
  }

  for (const element of document.querySelectorAll('[x-on\\:click]')) makeButton(element);
  // Icons are ligatures: without this, their names would be read out.
  for (const icon of document.querySelectorAll('.material-symbols-outlined:not([role])')) icon.setAttribute('aria-hidden', 'true');
  for (const input of document.querySelectorAll('input#searchbar:not([aria-label])')) input.setAttribute('aria-label', 'Search');
  document.getElementById('searchbar-submit')?.setAttribute('aria-label', 'Search');
});

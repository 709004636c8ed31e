// What the browser keeps for this page. Some refuse to keep anything, and then throw: the page works without.

function guarded(open) {
  const attempt = (act) => {
    try {
      return act(open());
    } catch {
      return null;
    }
  };
  return {
    get: (name) => attempt((storage) => storage.getItem(name)) ?? '',
    set: (name, value) => attempt((storage) => storage.setItem(name, value)),
    remove: (name) => attempt((storage) => storage.removeItem(name)),
  };
}

export const drafts = guarded(() => sessionStorage);
export const choices = guarded(() => localStorage);

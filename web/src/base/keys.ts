// Keys that every page understands: / goes to the search box, the arrows move between the rows of a list, Enter opens one
// (a link does that by itself), Escape leaves a box. Dialogs and menus take Escape for themselves first.
const isTyping = (element: Element | null): boolean =>
  element instanceof HTMLElement && element.matches('input:not([type=checkbox]):not([type=radio]), textarea, select');

const rowLinks = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('main [data-row]')].filter((row) => row.offsetParent !== null);

function moveRow(step: 1 | -1): boolean {
  const rows = rowLinks();
  const now = rows.indexOf(document.activeElement as HTMLElement);
  if (rows.length === 0) return false;
  if (now < 0 && document.activeElement !== document.body && !document.activeElement?.matches('main, input[type=search]')) return false;
  const next = rows[now < 0 ? (step > 0 ? 0 : rows.length - 1) : now + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return next !== undefined;
}

export function watchKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const search = document.querySelector<HTMLInputElement>('main input[type=search]');
    if (event.key === '/' && !isTyping(document.activeElement) && search) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === 'Escape' && document.activeElement instanceof HTMLElement) {
      document.activeElement.blur();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (isTyping(document.activeElement) && document.activeElement !== search) return;
      if (moveRow(event.key === 'ArrowDown' ? 1 : -1)) event.preventDefault();
    }
  });
}

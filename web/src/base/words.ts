// The words of a page in the language that the person chose. A table is a file of web/words: key → [English, Spanish].
import common from '../../words/common.json';

export type Language = 'en' | 'es';
type Table = Record<string, string[]>;

const STORED = 'raudal.language';
const asked = new URLSearchParams(location.search).get('lang') ?? localStorage.getItem(STORED) ?? navigator.language;
export const language: Language = asked.toLowerCase().startsWith('es') ? 'es' : 'en';
const column = language === 'es' ? 1 : 0;

// The whole page is drawn anew: simpler than keeping the language in every component, and nobody switches often.
export function setLanguage(next: Language): void {
  localStorage.setItem(STORED, next);
  const url = new URL(location.href);
  url.searchParams.delete('lang');
  location.replace(url);
  if (url.href === location.href) location.reload();
}

export type Words<T extends Table> = (key: keyof T & string, ...values: (string | number)[]) => string;

// words(table)('rows', 1, 50, 210) fills {0}, {1}, {2}.
export function makeWords<T extends Table>(table: T): Words<T> {
  return (key, ...values) => {
    let text = table[key]![column]!;
    values.forEach((value, index) => (text = text.replaceAll(`{${index}}`, String(value))));
    return text;
  };
}

export const t = makeWords(common);

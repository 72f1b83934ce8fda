// Tables that scroll sideways on narrow screens, sort by their heads and page on the server.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { count } from './format';
import { setQuery } from './router';
import { Icon } from './shell';
import { t } from './words';

export interface Column<Row> {
  name: string;
  label: string;
  cell: (row: Row) => ComponentChildren;
  sort?: string; // what the server calls this order; without it the column does not sort
  number?: boolean; // right-aligned, figures of one width
  grow?: boolean; // takes the room that is left
  narrow?: 'hide'; // left out on narrow screens
}

export interface Sorting {
  by: string;
  descending: boolean;
  set: (by: string, descending: boolean) => void;
}

export function Table<Row>({ label, columns, rows, rowKey, sorting, empty }: {
  label: string; // accessible name
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string | number;
  sorting?: Sorting;
  empty?: ComponentChildren; // instead of the rows when there is none
}) {
  const classes = (column: Column<Row>): string =>
    [column.number && 'number', column.grow && 'grow', column.narrow === 'hide' && 'wide-only'].filter(Boolean).join(' ');
  return (
    <div class="tablebox" role="region" aria-label={label} tabIndex={-1}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const active = sorting !== undefined && column.sort !== undefined && sorting.by === column.sort;
              const order = active ? (sorting.descending ? 'descending' : 'ascending') : undefined;
              return (
                <th key={column.name} scope="col" class={classes(column)} aria-sort={order}>
                  {sorting && column.sort
                    ? <button type="button" class="head" title={t('sortBy', column.label)}
                        onClick={() => sorting.set(column.sort!, active ? !sorting.descending : column.number === true)}>
                        {column.label}{active && <Icon name={sorting.descending ? 'down' : 'up'} />}
                      </button>
                    : column.label}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column) => <td key={column.name} class={classes(column)}>{column.cell(row)}</td>)}
            </tr>
          ))}
          {rows.length === 0 && <tr><td class="none" colSpan={columns.length}>{empty ?? t('nothing')}</td></tr>}
        </tbody>
      </table>
    </div>
  );
}

// A sorting kept in the address as ?sort=NAME or ?sort=-NAME.
export function useSorting(query: URLSearchParams, standard: string): Sorting {
  const text = query.get('sort') ?? standard;
  return {
    by: text.replace(/^-/, ''),
    descending: text.startsWith('-'),
    set: (by, descending) => setQuery({ sort: (descending ? '-' : '') + by, page: null }),
  };
}

// ?page=N, from 1; nothing to see when everything fits.
export function Pager({ page, pageSize, total }: { page: number; pageSize: number; total: number }) {
  const last = Math.max(1, Math.ceil(total / pageSize));
  if (total <= pageSize && page === 1) return null;
  return (
    <div class="pager">
      <span>{t('rows', count(Math.min(total, (page - 1) * pageSize + 1)), count(Math.min(total, page * pageSize)), count(total))}</span>
      <button type="button" disabled={page <= 1} aria-label={t('previous')} title={t('previous')}
        onClick={() => setQuery({ page: page <= 2 ? null : page - 1 }, false)}><Icon name="left" /></button>
      <button type="button" disabled={page >= last} aria-label={t('next')} title={t('next')}
        onClick={() => setQuery({ page: page + 1 }, false)}><Icon name="right" /></button>
    </div>
  );
}

// A search box whose text goes into the address (?search=) shortly after the last key.
export function SearchBox({ value, label, name = 'search' }: { value: string; label?: string; name?: string }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => setQuery({ [name]: text, page: null }), 150);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search">
      <Icon name="search" />
      <input type="search" value={text} placeholder={label ?? t('searchHint')} aria-label={label ?? t('search')}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || text === '') return;
          event.preventDefault();
          setText('');
        }} />
    </label>
  );
}

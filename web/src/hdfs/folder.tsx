// The file browser.
import { useEffect, useRef, useState } from 'preact/hooks';
import { useLive } from '../base/api';
import { count, size, time } from '../base/format';
import { setQuery, type Route } from '../base/router';
import { Failure, Icon, Menu, useTitle } from '../base/shell';
import { Pager, SearchBox, Table, useSorting, type Column } from '../base/table';
import { t as common } from '../base/words';
import { Attributes, Delete, Move, NewFolder, Rename } from './dialogs';
import { FilePage } from './file';
import { follow, go, placeOf, usePlace } from './place';
import { useDrop, useUploads } from './uploads';
import { address, clean, join, modeText, nameOf, type Entry } from './webhdfs';
import { t } from './words';

const PAGE_SIZE = 100;

interface Folder {
  total: number;
  rows: Entry[];
  path: string;
  folders: number;
  files: number;
  bytes: number;
  self: Entry;
}

export function Crumbs({ path }: { path: string }) {
  const parts = path.split('/').filter((part) => part !== '');
  return (
    <nav class="crumbs" aria-label={t('parent')}>
      <a href={placeOf('/')} onClick={(event) => follow(event, '/')} aria-label={t('root')}>/</a>
      {parts.map((part, index) => {
        const upTo = '/' + parts.slice(0, index + 1).join('/');
        return (
          <span key={upTo}>
            {index > 0 && ' / '} {index + 1 < parts.length
              ? <a href={placeOf(upTo)} onClick={(event) => follow(event, upTo)}>{part}</a>
              : part}
          </span>
        );
      })}
    </nav>
  );
}

function GoTo({ path }: { path: string }) {
  const [text, setText] = useState(path);
  useEffect(() => setText(path), [path]);
  return (
    <form class="goto" onSubmit={(event) => (event.preventDefault(), go(clean(text)))}>
      <input value={text} class="mono" aria-label={t('goTo')} placeholder={t('pathHint')} autocomplete="off" spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" class="plain" aria-label={t('goTo')} title={t('goTo')}><Icon name="right" /></button>
    </form>
  );
}

type Doing = { what: 'folder' } | { what: 'rename' | 'attributes'; entry: Entry } | { what: 'delete' | 'move'; entries: Entry[] };

export function ExplorerPage({ route }: { route: Route }) {
  const path = usePlace(route);
  const sorting = useSorting(route.query, 'name');
  const page = Math.max(1, Number(route.query.get('page') ?? 1) || 1);
  const search = route.query.get('search') ?? '';
  const query = new URLSearchParams({ path, page: String(page), size: String(PAGE_SIZE), sort: (sorting.descending ? '-' : '') + sorting.by });
  if (search) query.set('search', search);
  const [large, setLarge] = useState(false);
  const { data, error, refresh } = useLive<Folder>(`api/hdfs/folder?${query}`, { every: large ? 30_000 : 4000 });
  useEffect(() => setLarge((data?.folders ?? 0) + (data?.files ?? 0) > 3000), [data]);
  useTitle(path);
  // A folder's page, search and selection end with it; what was shown before stays until the new one is here.
  const former = useRef(path);
  useEffect(() => {
    if (former.current !== path) setQuery({ page: null, search: null });
    former.current = path;
  }, [path]);
  if (error && error.status !== 0 && (data === null || data.path !== path)) return <Missing path={path} message={error.message} />;
  if (data === null) return error ? <Failure error={error} /> : <p class="muted">{common('loading')}</p>;
  if (data.path === path && data.self && !data.self.directory) return <FilePage key={path} path={path} entry={data.self} refresh={refresh} />;
  return <FolderPage key={data.path} folder={data} error={error} refresh={refresh} sorting={sorting} page={page} search={search} />;
}

function Missing({ path, message }: { path: string; message: string }) {
  return (
    <>
      <Crumbs path={path} />
      <div class="titlebar"><h1>{nameOf(path) || '/'}</h1><div class="actions"><GoTo path={path} /></div></div>
      <div class="empty"><p>{t('noSuchPath', path)}</p><p class="muted">{message}</p><button type="button" onClick={() => go('/')}>{t('root')}</button></div>
    </>
  );
}

function FolderPage({ folder, error, refresh, sorting, page, search }: {
  folder: Folder; error: Error | null; refresh: () => void; sorting: ReturnType<typeof useSorting>; page: number; search: string;
}) {
  const path = folder.path;
  const [doing, setDoing] = useState<Doing | null>(null);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const picker = useRef<HTMLInputElement>(null);
  const uploads = useUploads(path, refresh);
  const over = useDrop((files) => void uploads.add(files));
  const close = (): void => setDoing(null);
  const done = (): void => {
    setChosen(new Set());
    refresh();
  };
  const entries = folder.rows.filter((row) => chosen.has(row.name));
  const toggle = (name: string): void => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    setChosen(next);
  };
  const whole = (entry: Entry) => ({ path: join(path, entry.name), directory: entry.directory, size: entry.size });
  const columns: Column<Entry>[] = [
    { name: 'choose', label: '', cell: (row) => (
      <input type="checkbox" aria-label={t('selectOne', row.name)} checked={chosen.has(row.name)} onChange={() => toggle(row.name)} />) },
    { name: 'name', label: t('name'), sort: 'name', grow: true, cell: (row) => (
      <a class="entry" href={placeOf(join(path, row.name))} onClick={(event) => follow(event, join(path, row.name))} data-row>
        <Icon name={row.directory ? 'folder' : 'file'} />{row.name}
      </a>) },
    { name: 'size', label: t('size'), sort: 'size', number: true, cell: (row) => (row.directory ? '–' : size(row.size)) },
    { name: 'modified', label: t('modified'), sort: 'modified', narrow: 'hide', cell: (row) => <span class="number">{time(row.modified)}</span> },
    { name: 'permission', label: t('permission'), sort: 'mode', narrow: 'hide', cell: (row) => <code class="nowrap">{modeText(row)}</code> },
    { name: 'owner', label: t('owner'), sort: 'owner', narrow: 'hide', cell: (row) => `${row.owner}:${row.group}` },
    { name: 'replication', label: t('replication'), sort: 'replication', number: true, narrow: 'hide', cell: (row) => (row.directory ? '–' : row.replication) },
    { name: 'blockSize', label: t('blockSize'), narrow: 'hide', number: true, cell: (row) => (row.directory ? '–' : size(row.blockSize)) },
    { name: 'menu', label: '', cell: (row) => (
      <Menu label={t('actions', row.name)}>
        {!row.directory && <a href={address(join(path, row.name), 'OPEN')} download={row.name}><Icon name="download" />{t('download')}</a>}
        <button type="button" onClick={() => setDoing({ what: 'rename', entry: row })}><Icon name="edit" />{t('rename')}</button>
        <button type="button" onClick={() => setDoing({ what: 'attributes', entry: row })}><Icon name="info" />{t('attributes')}</button>
        <hr />
        <button type="button" class="bad" onClick={() => setDoing({ what: 'delete', entries: [row] })}><Icon name="trash" />{t('delete')}</button>
      </Menu>) },
  ];
  const all = folder.rows.length > 0 && folder.rows.every((row) => chosen.has(row.name));
  return (
    <div class={over ? 'dropping' : ''}>
      <Crumbs path={path} />
      <div class="titlebar">
        <h1>{nameOf(path) || '/'}</h1>
        <small>{t('inFolder', count(folder.folders), count(folder.files), size(folder.bytes))}</small>
        <div class="actions">
          <button type="button" onClick={() => setDoing({ what: 'folder' })}><Icon name="plus" />{t('newFolder')}</button>
          <button type="button" class="primary" onClick={() => picker.current!.click()} title={t('uploadHint')}><Icon name="upload" />{t('upload')}</button>
          <input ref={picker} type="file" multiple hidden aria-label={t('upload')} onChange={(event) => {
            void uploads.add([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
          }} />
        </div>
      </div>
      {over && <div class="dropnote"><Icon name="upload" /> {t('dropHere', path)}</div>}
      {uploads.panel}
      {error && <Failure error={error} />}
      <div class="bar">
        <GoTo path={path} />
        <SearchBox value={search} />
        {folder.rows.length > 0 && (
          <label class="check"><input type="checkbox" checked={all}
            onChange={() => setChosen(all ? new Set() : new Set(folder.rows.map((row) => row.name)))} />{t('selectAll')}</label>
        )}
        {entries.length > 0 && (
          <span class="bar chosen">
            <small>{t('selected', count(entries.length))}</small>
            <button type="button" onClick={() => setDoing({ what: 'move', entries })}>{t('move')}</button>
            <button type="button" onClick={() => setDoing({ what: 'delete', entries })}><Icon name="trash" />{t('delete')}</button>
          </span>
        )}
      </div>
      <Table label={path} columns={columns} rows={folder.rows} rowKey={(row) => row.name} sorting={sorting}
        empty={search ? common('noMatch', search) : <>{t('emptyFolder')} <small>{t('upload')} {t('uploadHint')}.</small></>} />
      <Pager page={page} pageSize={PAGE_SIZE} total={folder.total} />
      {doing?.what === 'folder' && <NewFolder folder={path} close={close} done={done} />}
      {doing?.what === 'rename' && <Rename path={join(path, doing.entry.name)} close={close} done={done} />}
      {doing?.what === 'attributes' && <Attributes path={join(path, doing.entry.name)} entry={doing.entry} close={close} done={done} />}
      {doing?.what === 'move' && <Move paths={doing.entries.map((entry) => join(path, entry.name))} folder={path} close={close} done={done} />}
      {doing?.what === 'delete' && <Delete entries={doing.entries.map(whole)} close={close} done={done} />}
    </div>
  );
}

// One file: its facts, its head and tail, its blocks.
import { useEffect, useState } from 'preact/hooks';
import { count, size, time } from '../base/format';
import { Failure, Icon, toast, useTitle } from '../base/shell';
import { Table } from '../base/table';
import { t as common } from '../base/words';
import { Attributes, Delete, Rename } from './dialogs';
import { Crumbs } from './folder';
import { go } from './place';
import { address, call, modeText, nameOf, parentOf, read, type Entry } from './webhdfs';
import { t } from './words';

const PIECE = 32 * 1024;

// Bytes as text, or as hexadecimal when they are none. A piece may begin or end inside a character.
function shown(bytes: Uint8Array): { text: string; binary: boolean } {
  let start = 0;
  while (start < Math.min(3, bytes.length) && (bytes[start]! & 0xc0) === 0x80) start++;
  const text = new TextDecoder().decode(bytes.subarray(start), { stream: true });
  const odd = [...text.slice(0, 4096)].filter((letter) => letter === '\ufffd' || (letter < ' ' && !'\n\r\t\f\u001b'.includes(letter))).length;
  if (odd * 50 <= Math.min(text.length, 4096)) return { text, binary: false };
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, 4096); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex}  ${row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')}`);
  }
  return { text: lines.join('\n'), binary: true };
}

function Preview({ path, entry }: { path: string; entry: Entry }) {
  const [end, setEnd] = useState(false);
  const [wrap, setWrap] = useState(true);
  const [bytes, setBytes] = useState<Uint8Array | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const length = Math.min(PIECE, entry.size);
  useEffect(() => {
    setError(null);
    if (entry.size === 0) return setBytes(new Uint8Array());
    read(path, end ? entry.size - length : 0, length).then(setBytes, setError);
    return undefined;
  }, [path, end, entry.size, entry.modified]);
  const piece = bytes && shown(bytes);
  return (
    <section class="panel">
      <div class="panelhead">
        <div class="tabs small" role="tablist">
          <button type="button" role="tab" aria-selected={!end} onClick={() => setEnd(false)}>{t('head')}</button>
          <button type="button" role="tab" aria-selected={end} onClick={() => setEnd(true)}>{t('tail')}</button>
        </div>
        <span class="bar end">
          <small>{entry.size > 0 && (end ? t('tailOf', size(length)) : t('headOf', size(length)))}</small>
          <label class="check"><input type="checkbox" checked={wrap} onChange={() => setWrap(!wrap)} />{t('wrap')}</label>
        </span>
      </div>
      {error && <Failure error={error} />}
      {entry.size === 0 && <p class="muted">{t('emptyFile')}</p>}
      {piece?.binary && <p class="muted">{t('binary')}</p>}
      {piece && entry.size > 0 && <pre tabIndex={0} aria-label={end ? t('tail') : t('head')} class={`preview ${wrap ? '' : 'nowraplines'}`}>{piece.text}</pre>}
    </section>
  );
}

interface Block {
  offset: number;
  length: number;
  hosts: string[];
  names: string[];
}

function Blocks({ path, entry }: { path: string; entry: Entry }) {
  const [blocks, setBlocks] = useState<Block[]>([]);
  useEffect(() => {
    call<{ BlockLocations: { BlockLocation: Block[] } }>('GET', path, 'GETFILEBLOCKLOCATIONS')
      .then((answer) => setBlocks(answer.BlockLocations.BlockLocation), () => setBlocks([]));
  }, [path, entry.size]);
  if (blocks.length === 0) return null;
  return (
    <>
      <div class="bar"><h2>{t('blockList')}</h2></div>
      <Table label={t('blockList')} rows={blocks.slice(0, 200)} rowKey={(block) => block.offset} columns={[
        { name: 'block', label: t('block'), number: true, cell: (block) => count(Math.floor(block.offset / entry.blockSize)) },
        { name: 'offset', label: t('offset'), number: true, cell: (block) => count(block.offset) },
        { name: 'size', label: t('size'), number: true, cell: (block) => size(block.length) },
        { name: 'hosts', label: t('hosts'), grow: true, cell: (block) => block.names.join(', ') },
      ]} />
    </>
  );
}

export function FilePage({ path, entry, refresh }: { path: string; entry: Entry; refresh: () => void }) {
  const [doing, setDoing] = useState<'rename' | 'attributes' | 'delete' | null>(null);
  const close = (): void => setDoing(null);
  useTitle(nameOf(path));
  const copy = (): void => void navigator.clipboard?.writeText(path).then(() => toast(common('copied')), () => toast(common('failed'), true));
  return (
    <>
      <Crumbs path={path} />
      <div class="titlebar">
        <h1>{nameOf(path)}</h1>
        <div class="actions">
          <a class="button primary" href={address(path, 'OPEN')} download={nameOf(path)}><Icon name="download" />{t('download')}</a>
          <button type="button" onClick={() => setDoing('rename')}>{t('rename')}</button>
          <button type="button" onClick={() => setDoing('attributes')}>{t('attributes')}</button>
          <button type="button" onClick={copy}><Icon name="copy" />{t('copyPath')}</button>
          <button type="button" onClick={() => setDoing('delete')}><Icon name="trash" />{t('delete')}</button>
        </div>
      </div>
      <section class="panel">
        <dl class="facts">
          <dt>{t('size')}</dt><dd>{size(entry.size)} {entry.size >= 1024 && <small>({count(entry.size)} B)</small>}</dd>
          <dt>{t('modified')}</dt><dd>{time(entry.modified)}</dd>
          <dt>{t('permission')}</dt><dd><code>{modeText(entry)}</code></dd>
          <dt>{t('owner')}</dt><dd>{entry.owner}:{entry.group}</dd>
          <dt>{t('replication')}</dt><dd>{entry.replication}</dd>
          <dt>{t('blockSize')}</dt><dd>{size(entry.blockSize)}</dd>
        </dl>
      </section>
      <Preview path={path} entry={entry} />
      <Blocks path={path} entry={entry} />
      {doing === 'rename' && <Rename path={path} close={close} done={(to) => go(to)} />}
      {doing === 'attributes' && <Attributes path={path} entry={entry} close={close} done={refresh} />}
      {doing === 'delete' && <Delete entries={[{ path, directory: false, size: entry.size }]} close={close} done={() => go(parentOf(path))} />}
    </>
  );
}

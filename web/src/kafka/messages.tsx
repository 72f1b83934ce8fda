// The messages of a topic: where to begin, what to look for, how to show it; or live as they come.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, get, waitForChange } from '../base/api';
import { Dialog } from '../base/dialog';
import { count, size, timestamp } from '../base/format';
import { at, setQuery, useRoute } from '../base/router';
import { Failure, Icon, toast } from '../base/shell';
import { SearchBox } from '../base/table';
import { t as common } from '../base/words';
import { DecodedText, oneLine, Pretty } from './decoded';
import { CHANGES, topicPath, type Message, type Messages } from './model';
import { t } from './words';

const MODES = ['LATEST', 'EARLIEST', 'FROM_OFFSET', 'FROM_TIMESTAMP', 'LIVE'] as const;
const MODE_WORDS = { LATEST: 'newest', EARLIEST: 'oldest', FROM_OFFSET: 'fromOffset', FROM_TIMESTAMP: 'fromTime', LIVE: 'liveTail' } as const;
const FORMATS = ['auto', 'string', 'json', 'hex', 'base64', 'int32', 'int64', 'float', 'double', 'uuid'];
const LIMIT = 50;
const LIVE_MAX = 500;

interface State {
  messages: Message[];
  next: string | null; // where to go on
  scanned: number;
  total: number;
  busy: boolean;
  error: Error | null;
}
const NOTHING: State = { messages: [], next: null, scanned: 0, total: 0, busy: true, error: null };
const idOf = (message: Message): string => `${message.partition}:${message.offset}`;

// Reads until there are LIMIT more or the end is reached; each answer is shown when it comes.
async function readMore(base: string, start: string, filtered: boolean, signal: AbortSignal, show: (change: (old: State) => State) => void): Promise<void> {
  let wanted = LIMIT;
  for (let from = start; ;) {
    const answer = await get<Messages>(`${base}&${from}&limit=${wanted}`, signal);
    const next = answer.before !== undefined ? `before=${answer.before}` : `from=${answer.from}`;
    wanted -= answer.messages.length;
    const over = answer.end || wanted <= 0 || !filtered;
    show((old) => ({ messages: [...old.messages, ...answer.messages], next: answer.end ? null : next, scanned: old.scanned + answer.scanned,
      total: answer.total, busy: !over, error: null }));
    if (over || signal.aborted) return;
    from = next;
  }
}

// The newest ones, then whatever comes; stops asking while the tab is hidden.
async function follow(base: string, partitions: string, signal: AbortSignal, show: (change: (old: State) => State) => void): Promise<void> {
  let version = await waitForChange(CHANGES, 0);
  const first = await get<Messages>(`${base}&mode=LATEST&partitions=${partitions}&limit=20`, signal);
  let from = first.ends;
  show(() => ({ messages: first.messages, next: null, scanned: 0, total: first.total, busy: false, error: null }));
  while (!signal.aborted) {
    if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    const answer = await get<Messages>(`${base}&from=${from}&limit=200`, signal);
    from = answer.from ?? from;
    const fresh = answer.messages.reverse();
    show((old) => ({ ...old, messages: [...fresh, ...old.messages].slice(0, LIVE_MAX), total: answer.total, error: null }));
    if (!answer.end) continue;
    version = await waitForChange(CHANGES, version);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

export function MessagesTab({ name, partitionCount }: { name: string; partitionCount: number }) {
  const { query } = useRoute();
  const [state, setState] = useState<State>(NOTHING);
  const [more, setMore] = useState<string | null>(null);
  const [help, setHelp] = useState(false);
  const mode = MODES.find((one) => one === query.get('mode')) ?? 'LATEST';
  const position = query.get('position') ?? '';
  const partitions = query.get('partitions') ?? '';
  const text = query.get('search') ?? '';
  const filter = query.get('filter') ?? '';
  const keyFormat = query.get('key') ?? 'auto';
  const valueFormat = query.get('value') ?? 'auto';
  const needsPosition = mode === 'FROM_OFFSET' || mode === 'FROM_TIMESTAMP';
  const base = `${topicPath(name)}/messages?text=${encodeURIComponent(text)}&filter=${encodeURIComponent(filter)}&keyFormat=${keyFormat}&valueFormat=${valueFormat}`;
  const start = `mode=${needsPosition && position === '' ? 'EARLIEST' : mode}&position=${position}&partitions=${partitions}`;
  const filtered = text !== '' || filter !== '';

  useEffect(() => {
    const stop = new AbortController();
    const failed = (failure: Error): void => {
      if (!stop.signal.aborted) setState((old) => ({ ...old, busy: false, error: failure }));
    };
    setState((old) => ({ ...NOTHING, messages: old.messages.length > 0 && !filtered ? old.messages : [] }));
    setMore(null);
    let first = true;
    const show = (change: (old: State) => State): void => {
      if (stop.signal.aborted) return;
      const fresh = first;
      first = false;
      setState((old) => change(fresh ? NOTHING : old));
    };
    const live = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        try {
          await follow(base, partitions, stop.signal, show);
        } catch (failure) {
          failed(failure as Error);
          if (failure instanceof ApiError && failure.status !== 0) return;
          await new Promise((resolve) => setTimeout(resolve, 2000));
        }
      }
    };
    if (mode === 'LIVE') void live();
    else readMore(base, start, filtered, stop.signal, show).catch(failed);
    return () => stop.abort();
  }, [base, start]);

  useEffect(() => {
    if (more === null) return undefined;
    const stop = new AbortController();
    setState((old) => ({ ...old, busy: true }));
    readMore(base, more, filtered, stop.signal, (change) => !stop.signal.aborted && setState(change))
      .catch((failure: Error) => !stop.signal.aborted && setState((old) => ({ ...old, busy: false, error: failure })));
    return () => stop.abort();
  }, [more]);

  return (
    <>
      <div class="bar messagebar">
        <select aria-label={t('order')} value={mode} onChange={(event) => setQuery({ mode: event.currentTarget.value === 'LATEST' ? null : event.currentTarget.value, position: null })}>
          {MODES.map((one) => <option key={one} value={one} hidden={one === 'LIVE'}>{t(MODE_WORDS[one])}</option>)}
        </select>
        <button type="button" class={mode === 'LIVE' ? 'on' : ''} aria-pressed={mode === 'LIVE'}
          onClick={() => setQuery({ mode: mode === 'LIVE' ? null : 'LIVE', position: null })}><Icon name={mode === 'LIVE' ? 'pause' : 'play'} />{t('liveTail')}</button>
        {mode === 'FROM_OFFSET' && <PositionInput value={position} label={t('offset')} />}
        {mode === 'FROM_TIMESTAMP' && <TimeInput value={position} label={t('time')} />}
        {partitionCount > 1 && (
          <select aria-label={t('partition')} value={partitions} onChange={(event) => setQuery({ partitions: event.currentTarget.value })}>
            <option value="">{t('allPartitions')}</option>
            {Array.from({ length: Math.min(partitionCount, 200) }, (_, number) => <option key={number} value={String(number)}>{t('partitionN', number)}</option>)}
          </select>
        )}
        <SearchBox value={text} label={t('searchText')} />
        <FilterInput value={filter} bad={state.error instanceof ApiError && filter !== ''} help={() => setHelp(true)} />
        <span class="end formats">
          <FormatSelect label={t('decodeKey')} what={t('key')} name="key" value={keyFormat} />
          <FormatSelect label={t('decodeValue')} what={t('value')} name="value" value={valueFormat} />
        </span>
      </div>
      {state.error && <Failure error={state.error} />}
      <MessageTable name={name} messages={state.messages} keyFormat={keyFormat} valueFormat={valueFormat}
        empty={state.busy ? t('searching') : mode === 'LIVE' ? t('waiting') : filtered ? t('noMessages') : t('noMessagesYet')} />
      <div class="bar foot">
        {mode === 'LIVE' && <span class="muted"><span class="livedot" />{t('waiting')}</span>}
        {mode !== 'LIVE' && (filtered || state.next !== null) && <span class="muted">{filtered
          ? t('scanned', count(state.scanned), count(state.total)) : `${count(state.messages.length)} / ${count(state.total)}`}</span>}
        {state.busy && filtered && <span class="muted">{t('searching')}</span>}
        {mode !== 'LIVE' && !state.busy && state.next !== null && (
          <button type="button" onClick={() => setMore(state.next)}>{filtered && state.messages.length < LIMIT ? t('goOn') : t('more')}</button>
        )}
      </div>
      {help && <FilterHelp close={() => setHelp(false)} />}
    </>
  );
}

// ---- the controls ----

function PositionInput({ value, label }: { value: string; label: string }) {
  return <input type="number" class="short" min={0} aria-label={label} placeholder={label} defaultValue={value}
    onChange={(event) => setQuery({ position: event.currentTarget.value })} />;
}

function TimeInput({ value, label }: { value: string; label: string }) {
  const local = value === '' ? '' : timestamp(Number(value)).slice(0, 19).replace(' ', 'T');
  return <input type="datetime-local" step={1} aria-label={label} defaultValue={local}
    onChange={(event) => setQuery({ position: event.currentTarget.value === '' ? null : new Date(event.currentTarget.value).getTime() })} />;
}

function FormatSelect({ label, what, name, value }: { label: string; what: string; name: string; value: string }) {
  return (
    <select class="quiet" aria-label={label} title={label} value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value === 'auto' ? null : event.currentTarget.value })}>
      {FORMATS.map((one) => <option key={one} value={one}>{what}: {one === 'auto' ? t('auto').toLowerCase() : one}</option>)}
    </select>
  );
}

function FilterInput({ value, bad, help }: { value: string; bad: boolean; help: () => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const apply = (): void => setQuery({ filter: text.trim() });
  return (
    <span class="filter">
      <input class="mono" value={text} spellcheck={false} aria-label={t('filter')} aria-invalid={bad} placeholder={t('filterHint')}
        onInput={(event) => setText(event.currentTarget.value)} onBlur={apply}
        onKeyDown={(event) => {
          if (event.key === 'Enter') apply();
          if (event.key === 'Escape') setQuery({ filter: null });
        }} />
      <button type="button" class="plain" aria-label={t('filterHelp')} title={t('filterHelp')} onClick={help}><Icon name="info" /></button>
    </span>
  );
}

const EXAMPLES = ['value.price > 10', 'key = "user-1" and partition = 2', 'value.user.name contains "ana"', 'headers.source = "web" or not value.ok',
  'timestamp >= "2026-11-22T20:00"', 'value = null', "value.items[0].id = 5"];

function FilterHelp({ close }: { close: () => void }) {
  return (
    <Dialog title={t('filterHelp')} wide close={close}>
      <p>{t('filterIntro')}</p>
      <h3>{t('filterThings')}</h3>
      <dl class="facts">
        <dt><code>key</code> <code>value</code></dt><dd>{t('filterKeyValue')}</dd>
        <dt><code>value.a.b[0]</code> <code>key['a b']</code></dt><dd>{t('filterPath')}</dd>
        <dt><code>offset</code> <code>partition</code> <code>size</code></dt><dd>{t('filterNumbers')}</dd>
        <dt><code>timestamp</code></dt><dd>{t('filterTime')}</dd>
        <dt><code>headers.NAME</code></dt><dd>{t('filterHeader')}</dd>
      </dl>
      <h3>{t('filterOperators')}</h3>
      <p><code>= != &lt; &lt;= &gt; &gt;= contains startsWith endsWith</code></p>
      <h3>{t('filterExamples')}</h3>
      <ul>{EXAMPLES.map((one) => <li key={one}><button type="button" class="plain mono" onClick={() => (setQuery({ filter: one }), close())}>{one}</button></li>)}</ul>
      <p class="muted">{t('filterNotes')}</p>
    </Dialog>
  );
}

// ---- the table ----

function MessageTable({ name, messages, keyFormat, valueFormat, empty }: {
  name: string; messages: Message[]; keyFormat: string; valueFormat: string; empty: string;
}) {
  const [open, setOpen] = useState<Set<string>>(new Set());
  const toggle = (id: string): void => setOpen((old) => {
    const next = new Set(old);
    if (!next.delete(id)) next.add(id);
    return next;
  });
  const width = matchMedia('(max-width: 40rem)').matches ? 5 : 6; // the time is left out there
  return (
    <div class="tablebox" role="region" aria-label={t('messages')}>
      <table class="messages">
        <thead>
          <tr>
            <th scope="col" aria-label={t('open')} />
            <th scope="col" class="number">{t('offset')}</th>
            <th scope="col" class="number"><abbr title={t('partition')}>P</abbr></th>
            <th scope="col" class="wide-only">{t('time')}</th>
            <th scope="col">{t('key')}</th>
            <th scope="col" class="grow">{t('value')}</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => {
            const id = idOf(message);
            const isOpen = open.has(id);
            return [
              <tr key={id} class={isOpen ? 'open' : ''} onClick={() => getSelection()?.isCollapsed !== false && toggle(id)}>
                <td><button type="button" class="plain chevron" data-row aria-expanded={isOpen} aria-label={`${t('open')} ${id}`}
                  onClick={(event) => (event.stopPropagation(), toggle(id))}><Icon name={isOpen ? 'unfold' : 'right'} /></button></td>
                <td class="number">{count(message.offset)}</td>
                <td class="number">{message.partition}</td>
                <td class="wide-only time">{timestamp(message.timestamp)}</td>
                <td class="line key">{oneLine(message.key)}</td>
                <td class="line">{oneLine(message.value)}</td>
              </tr>,
              isOpen && <tr key={id + 'd'} class="detail"><td colSpan={width}><Detail name={name} message={message} keyFormat={keyFormat} valueFormat={valueFormat} /></td></tr>,
            ];
          })}
          {messages.length === 0 && <tr><td class="none" colSpan={width}>{empty}</td></tr>}
        </tbody>
      </table>
    </div>
  );
}

function Detail({ name, message, keyFormat, valueFormat }: { name: string; message: Message; keyFormat: string; valueFormat: string }) {
  const [shown, setShown] = useState(message);
  useEffect(() => setShown(message), [message]);
  const whole = async (): Promise<void> => {
    try {
      const path = `${topicPath(name)}/messages/${message.partition}/${message.offset}?keyFormat=${keyFormat}&valueFormat=${valueFormat}`;
      setShown((await get<{ message: Message }>(path)).message);
    } catch (failure) {
      toast((failure as Error).message, true);
    }
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(shown.value.text ?? '');
    toast(common('copied'));
  };
  return (
    <div class="message">
      <dl class="facts">
        <dt>{t('time')}</dt><dd>{timestamp(shown.timestamp)}</dd>
        <dt>{t('partition')}</dt><dd>{shown.partition}</dd>
        <dt>{t('offset')}</dt><dd>{count(shown.offset)}</dd>
        <dt>{t('key')}</dt><dd><DecodedText decoded={shown.key} /> <small>{size(shown.keySize)}</small></dd>
        {shown.headers.map((header) => (
          <><dt class="mono">{header.name}</dt><dd><DecodedText decoded={header.value} /></dd></>
        ))}
      </dl>
      <div class="value">
        <div class="valuehead"><span class="badge">{shown.value.type}</span> <small>{size(shown.valueSize)}</small>
          {window.isSecureContext && <button type="button" class="plain" onClick={copy}><Icon name="copy" />{common('copy')}</button>}
          <a class="plain" href={at(`${topicPath(name)}/messages/${message.partition}/${message.offset}`)} target="_blank" rel="noreferrer" aria-label="JSON">{'{ }'}</a>
        </div>
        <Pretty decoded={shown.value} />
        {shown.cut && <p class="notice warn">{t('cut', size(shown.valueSize))} <button type="button" onClick={whole}>{t('whole')}</button></p>}
      </div>
    </div>
  );
}

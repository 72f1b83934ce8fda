// Sending one message and importing many.
import { useRef, useState } from 'preact/hooks';
import { send } from '../base/api';
import { Dialog, Field } from '../base/dialog';
import { count } from '../base/format';
import { Icon, toast } from '../base/shell';
import { t as common } from '../base/words';
import { topicPath } from './model';
import { t } from './words';

const FORMATS = ['string', 'json', 'hex', 'base64', 'int32', 'int64', 'float', 'double'];

interface Sent {
  count: number;
  partition: number;
  offset: number;
}

function FormatField({ label, value, set }: { label: string; value: string; set: (value: string) => void }) {
  return (
    <Field label={label}>
      <select value={value} onChange={(event) => set(event.currentTarget.value)}>{FORMATS.map((one) => <option key={one}>{one}</option>)}</select>
    </Field>
  );
}

// What was typed last stays for the next message of the same kind.
const last = { key: '', value: '', keyFormat: 'string', valueFormat: 'string' };

export function SendDialog({ name, partitionCount, close, done }: { name: string; partitionCount: number; close: () => void; done: () => void }) {
  const [key, setKey] = useState(last.key);
  const [value, setValue] = useState(last.value);
  const [isNull, setNull] = useState(false);
  const [keyFormat, setKeyFormat] = useState(last.keyFormat);
  const [valueFormat, setValueFormat] = useState(last.valueFormat);
  const [partition, setPartition] = useState('');
  const [headers, setHeaders] = useState<{ name: string; value: string }[]>([]);
  const submit = async (): Promise<void> => {
    const sent = await send<Sent>('POST', `${topicPath(name)}/messages`, {
      key: key === '' ? null : key, value: isNull ? null : value, keyFormat, valueFormat,
      partition: partition === '' ? null : Number(partition), headers: headers.filter((header) => header.name !== '') });
    Object.assign(last, { key, value, keyFormat, valueFormat });
    toast(t('sent', sent.partition, count(sent.offset)));
    done();
  };
  const setHeader = (index: number, change: Partial<{ name: string; value: string }>): void =>
    setHeaders((old) => old.map((header, at) => (at === index ? { ...header, ...change } : header)));
  return (
    <Dialog title={`${t('send')}: ${name}`} action={t('sendShort')} wide submit={submit} close={close}>
      <div class="fieldrow">
        <Field label={t('key')}><input value={key} autocomplete="off" spellcheck={false} onInput={(event) => setKey(event.currentTarget.value)} /></Field>
        <FormatField label={t('decodeKey')} value={keyFormat} set={setKeyFormat} />
        <Field label={t('partition')}>
          <select value={partition} onChange={(event) => setPartition(event.currentTarget.value)}>
            <option value="">{t('byKey')}</option>
            {Array.from({ length: Math.min(partitionCount, 1000) }, (_, number) => <option key={number} value={String(number)}>{number}</option>)}
          </select>
        </Field>
      </div>
      <Field label={t('value')}>
        <textarea value={value} disabled={isNull} spellcheck={false} onInput={(event) => setValue(event.currentTarget.value)}
          onKeyDown={(event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && event.currentTarget.form?.requestSubmit()} />
      </Field>
      <div class="fieldrow">
        <FormatField label={t('decodeValue')} value={valueFormat} set={setValueFormat} />
        <label class="check" style={{ alignSelf: 'end', paddingBottom: '.4rem' }}>
          <input type="checkbox" checked={isNull} onChange={(event) => setNull(event.currentTarget.checked)} />{t('asNull')}
        </label>
      </div>
      {headers.map((header, index) => (
        <div class="headerrow" key={index}>
          <input aria-label={`${t('headers')} ${index + 1}: ${t('headerName')}`} placeholder={t('headerName')} value={header.name} onInput={(event) => setHeader(index, { name: event.currentTarget.value })} />
          <input aria-label={`${t('headers')} ${index + 1}: ${t('value')}`} placeholder={t('value')} value={header.value} onInput={(event) => setHeader(index, { value: event.currentTarget.value })} />
          <button type="button" class="plain" aria-label={common('remove')} onClick={() => setHeaders((old) => old.filter((_, at) => at !== index))}><Icon name="close" /></button>
        </div>
      ))}
      <div><button type="button" onClick={() => setHeaders((old) => [...old, { name: '', value: '' }])}><Icon name="plus" />{t('addHeader')}</button></div>
    </Dialog>
  );
}

export function ImportDialog({ name, close, done }: { name: string; close: () => void; done: () => void }) {
  const file = useRef<HTMLInputElement>(null);
  const submit = async (): Promise<void> => {
    const chosen = file.current!.files![0]!;
    const format = chosen.name.toLowerCase().endsWith('.csv') ? 'csv' : 'jsonl';
    const sent = await send<Sent>('POST', `${topicPath(name)}/messages/import?format=${format}`, chosen);
    toast(t('imported', count(sent.count)));
    done();
  };
  return (
    <Dialog title={t('importTitle', name)} action={t('import')} submit={submit} close={close}>
      <p>{t('importText')}</p>
      <Field label={t('file')}><input type="file" ref={file} accept=".jsonl,.json,.ndjson,.csv,.txt" required /></Field>
    </Dialog>
  );
}

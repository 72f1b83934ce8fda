// What changes files and folders.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Confirm, Dialog, Field } from '../base/dialog';
import { count, size } from '../base/format';
import { toast } from '../base/shell';
import { call, clean, join, modeText, nameOf, summarize, type ContentSummary, type Entry } from './webhdfs';
import { t } from './words';

interface Done {
  close: () => void;
  done: () => void;
}

export function NewFolder({ folder, close, done }: { folder: string } & Done) {
  const [name, setName] = useState('');
  const submit = async (): Promise<void> => {
    const path = join(folder, clean(name).slice(1));
    await call('PUT', path, 'MKDIRS');
    toast(t('created', path));
    done();
  };
  return (
    <Dialog title={t('newFolder')} action={t('create')} submit={submit} close={close}>
      <Field label={t('name')}><input value={name} required autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} /></Field>
    </Dialog>
  );
}

async function rename(from: string, to: string): Promise<void> {
  const { boolean } = await call<{ boolean: boolean }>('PUT', from, 'RENAME', { destination: to });
  if (!boolean) throw new Error(t('notRenamed'));
}

export function Rename({ path, close, done }: { path: string; close: () => void; done: (to: string) => void }) {
  const [to, setTo] = useState(path);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.setSelectionRange(path.lastIndexOf('/') + 1, path.length), []);
  const submit = async (): Promise<void> => {
    const target = clean(to);
    if (target !== path) {
      await rename(path, target);
      toast(t('renamed', path, target));
    }
    done(target);
  };
  return (
    <Dialog title={t('rename')} action={t('rename')} submit={submit} close={close}>
      <Field label={t('newPath')} hint={t('newPathHint')}>
        <input value={to} required autocomplete="off" class="mono" onInput={(event) => setTo(event.currentTarget.value)} ref={box} />
      </Field>
    </Dialog>
  );
}

export function Move({ paths, folder, close, done }: { paths: string[]; folder: string } & Done) {
  const [to, setTo] = useState(folder);
  const submit = async (): Promise<void> => {
    for (const path of paths) await rename(path, join(clean(to), nameOf(path)));
    toast(t('moved', count(paths.length)));
    done();
  };
  return (
    <Dialog title={t('moveTitle', count(paths.length))} action={t('move')} submit={submit} close={close}>
      <Field label={t('moveInto')}><input value={to} required autocomplete="off" class="mono" onInput={(event) => setTo(event.currentTarget.value)} /></Field>
    </Dialog>
  );
}

// Tells what goes before it asks.
export function Delete({ entries, close, done }: { entries: { path: string; directory: boolean; size: number }[] } & Done) {
  const [summary, setSummary] = useState<ContentSummary | null>(null);
  const only = entries.length === 1 ? entries[0]! : null;
  useEffect(() => {
    void Promise.all(entries.map((entry) => (entry.directory ? summarize(entry.path) : { fileCount: 1, directoryCount: 0, length: entry.size })))
      .then((all) => setSummary(all.reduce((sum, one) => ({
        fileCount: sum.fileCount + one.fileCount, directoryCount: sum.directoryCount + one.directoryCount, length: sum.length + one.length }))),
      () => setSummary(null));
  }, []);
  const submit = async (): Promise<void> => {
    for (const entry of entries) await call('DELETE', entry.path, 'DELETE', { recursive: entry.directory });
    toast(t('deleted', only ? only.path : t('selected', count(entries.length))));
    done();
  };
  const figures: [string, string] = summary ? [count(summary.fileCount), size(summary.length)] : ['…', '…'];
  const text = !only ? t('deleteManyText', ...figures) : only.directory ? t('deleteFolder', ...figures) : t('deleteFile', size(only.size));
  return (
    <Confirm title={only ? t('deleteTitle', nameOf(only.path)) : t('deleteMany', count(entries.length))} text={text} action={t('delete')}
      submit={submit} close={close} />
  );
}

const CLASSES = [['owner', 6], ['group', 3], ['others', 0]] as const;
const ACCESSES = [['read', 4], ['write', 2], ['execute', 1]] as const;

export function Attributes({ path, entry, close, done }: { path: string; entry: Entry } & Done) {
  const [mode, setMode] = useState(entry.mode);
  const [owner, setOwner] = useState(entry.owner);
  const [group, setGroup] = useState(entry.group);
  const [replication, setReplication] = useState(entry.replication);
  const submit = async (): Promise<void> => {
    if (mode !== entry.mode) await call('PUT', path, 'SETPERMISSION', { permission: mode.toString(8) });
    if (owner !== entry.owner || group !== entry.group)
      await call('PUT', path, 'SETOWNER', { ...(owner !== entry.owner && { owner }), ...(group !== entry.group && { group }) });
    if (!entry.directory && replication !== entry.replication) await call('PUT', path, 'SETREPLICATION', { replication });
    toast(t('saved'));
    done();
  };
  return (
    <Dialog title={t('attributes')} submit={submit} close={close}>
      <p class="mono">{path}</p>
      <table class="modes">
        <thead><tr><td class="mono">{modeText({ directory: entry.directory, mode })}</td>{ACCESSES.map(([name]) => <th key={name} scope="col">{t(name)}</th>)}</tr></thead>
        <tbody>
          {CLASSES.map(([who, shift]) => (
            <tr key={who}>
              <th scope="row">{t(who)}</th>
              {ACCESSES.map(([what, bit]) => (
                <td key={what}>
                  <input type="checkbox" aria-label={`${t(who)}: ${t(what)}`} checked={((mode >> shift) & bit) !== 0}
                    onChange={() => setMode(mode ^ (bit << shift))} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {entry.directory && (
        <label class="check"><input type="checkbox" checked={(mode & 0o1000) !== 0} onChange={() => setMode(mode ^ 0o1000)} />{t('sticky')}</label>
      )}
      <div class="fieldrow">
        <Field label={t('owner')}><input value={owner} required autocomplete="off" onInput={(event) => setOwner(event.currentTarget.value)} /></Field>
        <Field label={t('group')}><input value={group} required autocomplete="off" onInput={(event) => setGroup(event.currentTarget.value)} /></Field>
        {!entry.directory && (
          <Field label={t('replication')}>
            <input type="number" min={1} max={512} value={replication} required onInput={(event) => setReplication(Number(event.currentTarget.value))} />
          </Field>
        )}
      </div>
    </Dialog>
  );
}

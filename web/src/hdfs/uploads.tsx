// Uploads: chosen or dropped files go up one after the other, each with its progress; what exists already is asked about.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Confirm } from '../base/dialog';
import { count } from '../base/format';
import { Icon, toast } from '../base/shell';
import { exists, join, upload } from './webhdfs';
import { t } from './words';

interface Running {
  name: string;
  part: number;
  done: number;
  total: number;
  stop: AbortController;
}

// `add` takes files into a folder; `panel` is what shows them.
export function useUploads(folder: string, done: () => void) {
  const [running, setRunning] = useState<Running | null>(null);
  const [asking, setAsking] = useState<{ fresh: File[]; present: File[]; folder: string } | null>(null);
  const after = useRef(done);
  after.current = done;

  const send = async (files: File[], into: string, overwrite: Set<File>): Promise<void> => {
    const stop = new AbortController();
    let sent = 0;
    for (const file of files) {
      if (stop.signal.aborted) break;
      const state = { name: file.name, done: sent, total: files.length, stop };
      setRunning({ ...state, part: 0 });
      try {
        await upload(file, join(into, file.name), overwrite.has(file), (part) => setRunning({ ...state, part }), stop.signal);
        sent++;
        after.current();
      } catch (failure) {
        if (!stop.signal.aborted) toast(t('uploadFailed', file.name, (failure as Error).message), true);
      }
    }
    setRunning(null);
    if (sent > 0) toast(files.length === 1 ? t('uploaded', files[0]!.name) : t('uploadedMany', count(sent)));
  };

  const add = async (files: File[]): Promise<void> => {
    const present: File[] = [];
    try {
      for (const file of files) if (await exists(join(folder, file.name))) present.push(file);
    } catch (failure) {
      toast((failure as Error).message, true);
      return;
    }
    const fresh = files.filter((file) => !present.includes(file));
    if (present.length > 0) setAsking({ fresh, present, folder });
    else if (files.length > 0) void send(files, folder, new Set());
  };

  const panel = (
    <>
      {running && (
        <div class="notice uploading" role="status">
          <Icon name="upload" />
          <span class="uploadname">{t('uploading', running.name)} {running.total > 1 && <small>{t('parts', running.done + 1, running.total)}</small>}</span>
          <progress max={1} value={running.part} aria-label={t('uploading', running.name)} />
          <button type="button" class="plain" onClick={() => running.stop.abort()}>{t('stop')}</button>
        </div>
      )}
      {asking && (
        <Confirm title={t('replaceTitle')} action={t('replace')} close={() => setAsking(null)}
          text={t('replaceText', asking.folder, asking.present.map((file) => file.name).join(', '))}
          submit={async () => void send([...asking.fresh, ...asking.present], asking.folder, new Set(asking.present))} />
      )}
    </>
  );
  return { add, panel, busy: running !== null };
}

// Files dropped anywhere on the page. Calls with the files; tells whether some hover.
export function useDrop(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const taker = useRef(take);
  taker.current = take;
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent): void => {
      if (hasFiles(event) && ++depth === 1) setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (hasFiles(event) && --depth <= 0) setOver(false);
    };
    const hover = (event: DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      taker.current([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener('dragenter', enter);
    addEventListener('dragleave', leave);
    addEventListener('dragover', hover);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragenter', enter);
      removeEventListener('dragleave', leave);
      removeEventListener('dragover', hover);
      removeEventListener('drop', drop);
    };
  }, []);
  return over;
}

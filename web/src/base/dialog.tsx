// Dialogs on the browser's own <dialog>: it keeps the focus inside, gives it back, and closes on Escape.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ApiError } from './api';
import { Failure, Icon } from './shell';
import { t } from './words';

// `submit` does the work; when it throws, its sentence is shown and the dialog stays. null: nothing to submit.
export function Dialog({ title, action, danger, wide, submit, close, children }: {
  title: string;
  action?: string; // label of the button that submits
  danger?: boolean;
  wide?: boolean;
  submit?: () => Promise<void>;
  close: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    dialog.current!.showModal();
    dialog.current!.querySelector<HTMLElement>('[autofocus], .fields input, .fields select, .fields textarea')?.focus();
  }, []);
  const run = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!submit || busy) return;
    setBusy(true);
    setError(null);
    try {
      await submit();
      close();
    } catch (failure) {
      setError(failure instanceof ApiError || failure instanceof Error ? failure : new Error(t('failed')));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class={wide ? 'wide' : ''} aria-labelledby={heading} onClose={close}
      onClick={(event) => event.target === dialog.current && close()}>
      <form onSubmit={run} method="dialog">
        <div class="dialoghead">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="plain" aria-label={t('close')} onClick={close}><Icon name="close" /></button>
        </div>
        <div class="fields">{children}</div>
        {error && <Failure error={error} />}
        <div class="buttons">
          <button type="button" onClick={close}>{submit ? t('cancel') : t('close')}</button>
          {submit && <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>{action ?? t('save')}</button>}
        </div>
      </form>
    </dialog>
  );
}

// A question before something that cannot be undone. `word`: what must be typed first.
export function Confirm({ title, text, action, word, submit, close }: {
  title: string; text: ComponentChildren; action: string; word?: string; submit: () => Promise<void>; close: () => void;
}) {
  const [typed, setTyped] = useState('');
  const guarded = async (): Promise<void> => {
    if (word !== undefined && typed !== word) throw new Error(`≠ ${word}`);
    await submit();
  };
  return (
    <Dialog title={title} action={action} danger submit={guarded} close={close}>
      <p>{text}</p>
      {word !== undefined && <Field label={word}><input value={typed} onInput={(event) => setTyped(event.currentTarget.value)} autocomplete="off" /></Field>}
    </Dialog>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: ComponentChildren; children: ComponentChildren }) {
  return <label class="field"><span>{label}</span>{children}{hint && <small>{hint}</small>}</label>;
}

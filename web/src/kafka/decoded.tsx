// A decoded key or value: on one line, as text, or laid out with colours when it is JSON.
import type { Decoded } from './model';

const LINE_MAX = 240;

export function oneLine(decoded: Decoded) {
  if (decoded.type === 'null') return <span class="muted">null</span>;
  const text = (decoded.text ?? '').slice(0, LINE_MAX);
  return text === '' ? <span class="muted">""</span> : text;
}

export function DecodedText({ decoded }: { decoded: Decoded }) {
  return decoded.type === 'null' ? <span class="muted">null</span> : <span class="mono">{decoded.text}</span>;
}

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

// Numbers are not touched: the text is laid out by its own characters, so that 12345678901234567890 stays what it is.
function layOut(text: string): string {
  let out = '';
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quoted) {
      out += char;
      if (char === '\\') out += text[++at] ?? '';
      else if (char === '"') quoted = false;
    } else if (char === '"') {
      quoted = true;
      out += char;
    } else if (char === '{' || char === '[') {
      const closing = /^\s*[\]}]/.exec(text.slice(at + 1, at + 40));
      if (closing) {
        out += char + text[at + closing[0].length];
        at += closing[0].length;
      } else out += char + '\n' + '  '.repeat(++depth);
    } else if (char === '}' || char === ']') out += '\n' + '  '.repeat(Math.max(0, --depth)) + char;
    else if (char === ',') out += ',\n' + '  '.repeat(depth);
    else if (char === ':') out += ': ';
    else if (!/\s/.test(char)) out += char;
  }
  return out;
}

function colours(text: string) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(TOKENS)) {
    parts.push(text.slice(last, match.index));
    const kind = match[2] !== undefined ? 'name' : match[1] !== undefined ? 'string' : match[3] !== undefined ? 'word' : 'figure';
    parts.push(<span class={`json-${kind}`}>{match[1] ?? match[0]}</span>, match[2] ?? '');
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return parts;
}

const COLOURED_MAX = 100_000;

export function Pretty({ decoded }: { decoded: Decoded }) {
  if (decoded.type === 'null') return <pre class="muted">null</pre>;
  const text = decoded.text ?? '';
  const isJson = /^\s*[[{]/.test(text) && decoded.type !== 'string' && decoded.type !== 'hex';
  return <pre tabIndex={0}>{isJson ? (text.length > COLOURED_MAX ? layOut(text) : colours(layOut(text))) : text}</pre>;
}

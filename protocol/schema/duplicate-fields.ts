/**
 * Fields that a JSON text says twice, as paths, in the order of the text; parsing has to keep one of them in silence.
 * The text must be valid JSON.
 */
export function findDuplicateFields(text: string): string[] {
  const duplicates: string[] = [];
  const frames: Frame[] = [];
  let frame: Frame | undefined;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        frames.push((frame = { keys: new Set(), awaitsKey: true, part: '' }));
        break;
      case '[':
        frames.push((frame = { keys: undefined, awaitsKey: false, part: 0 }));
        break;
      case '}':
      case ']':
        frames.pop();
        frame = frames.at(-1);
        break;
      case ',':
        if (typeof frame?.part === 'number') frame.part++;
        else if (frame) frame.awaitsKey = true;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (frame?.awaitsKey && frame.keys) {
          frame.awaitsKey = false;
          frame.part = JSON.parse(text.slice(at, end + 1)) as string;
          if (frame.keys.has(frame.part) && duplicates.length < duplicatesMax)
            duplicates.push(pathOf(frames));
          frame.keys.add(frame.part);
        }
        at = end;
        break;
      }
      case undefined:
      default:
    }
  }
  return [...new Set(duplicates)];
}

interface Frame {
  /** Undefined for a list. */
  keys: Set<string> | undefined;
  awaitsKey: boolean;
  part: string | number;
}

const duplicatesMax = 100;

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function pathOf(frames: readonly Frame[]): string {
  return frames.reduce((text, { part }) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/**
 * Mutations write what they make as messages: `Object{spec: Object.spec{replicas: 3}}`, `JSONPatch{op: "remove"}`. Our
 * CEL knows no messages; here they become the maps that say the same: `{"spec": {"replicas": 3}}`.
 */
export function structsAsMaps(text: string): string {
  const open: ('struct' | 'other')[] = [];
  let isFieldNext = false;
  let result = '';
  for (const [token] of text.matchAll(tokens)) {
    const struct = structStart.exec(token);
    if (struct) {
      open.push('struct');
      isFieldNext = true;
      result += '{';
      continue;
    }
    const field: RegExpExecArray | null = isFieldNext ? fieldName.exec(token) : null;
    if (field) {
      isFieldNext = false;
      result += JSON.stringify(field[0]);
      continue;
    }
    if (/^[{[(]$/.test(token)) open.push('other');
    if (/^[}\])]$/.test(token)) open.pop();
    if (token === ',') isFieldNext = open.at(-1) === 'struct';
    else if (!/^(?:\s+|\?|\/\/.*)$/.test(token)) isFieldNext = false;
    result += token;
  }
  return result;
}

/** Strings of all forms, comments, the start of a message, names, white space, and anything else by itself. */
const tokens =
  /[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\/[^\n]*|(?<![\w.])(?:Object(?:\.\w+)*|JSONPatch)\s*\{|[A-Za-z_]\w*|\s+|[\s\S]/g;
const structStart = /^(?:Object(?:\.\w+)*|JSONPatch)\s*\{$/;
const fieldName = /^[A-Za-z_]\w*$/;

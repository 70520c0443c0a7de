const characterClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  blank: '\\t ',
  digit: '0-9',
  lower: 'a-z',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/**
 * A regular expression in Go's spelling (RE2) as one of ours. What RE2 does not know (look-around, back references) is
 * refused. Throws SyntaxError. Ours may backtrack, so run it within a time bound.
 */
export function compileGoPattern(pattern: string): RegExp {
  if (/\(\?(?:[=!]|<[=!])|\\[1-9]/.test(pattern))
    throw new SyntaxError(`error parsing regexp: invalid or unsupported Perl syntax: \`${pattern}\``);
  const flags = /^\(\?([ims]+)\)/.exec(pattern)?.[1] ?? '';
  const body = pattern
    .slice(flags === '' ? 0 : flags.length + 3)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => characterClasses[name] ?? whole)
    .replaceAll(/\\([AzQE])/g, (whole, letter: string) => ({ A: '^', z: '$' })[letter] ?? whole);
  // Unicode mode refuses needless escapes such as `\-`, which Go allows; it is only taken where it is needed.
  return new RegExp(body, flags + (/\\p\{|\\P\{/.test(body) ? 'u' : ''));
}

/** RFC 3339 in UTC, always with nine digits after the second. */
export function inNanoseconds(time: string): string {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (!found) return time;
  const [, second = '', fraction = '', offset = 'Z'] = found;
  const isUtc = offset === 'Z' || offset === '+00:00';
  const inUtc = isUtc ? second : new Date(`${second}${offset}`).toISOString().slice(0, 19);
  return `${inUtc}.${fraction.padEnd(9, '0')}Z`;
}

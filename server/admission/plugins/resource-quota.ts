import { formatQuantity, type Quantity, subtractQuantities } from '../../../protocol/quantity.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { defineAdmission, type TakeBack } from '../define-admission.ts';
import type { QuotaAccount } from '../quota/account.ts';
import type { QuotaLedger } from '../quota/quota-ledger.ts';
import type { Usage } from '../quota/usage.ts';
import { refusal } from '../refusal.ts';

/** Refuses what would use more than the quotas of the namespace allow, and reserves what it lets through. */
export const resourceQuota = defineAdmission({
  name: 'ResourceQuota',
  setup: ({ quotas }) => ({
    handles: (subject) => quotas.concerns(subject),
    async validate(request) {
      while (quotas.syncing) await quotas.syncing;
      return charge(quotas, request);
    },
  }),
});

/** One step without a wait: between the check and the reservation nobody else is let through. */
function charge(quotas: QuotaLedger, request: AdmissionRequest): TakeBack | undefined {
  const { namespace = '', kind, object, oldObject, dryRun } = request;
  if (!object) return undefined;
  const charges: { account: QuotaAccount; delta: Usage }[] = [];
  for (const account of quotas.accounts(namespace)) {
    const usage = account.usageOf(kind, object);
    const evaluator = account.evaluator(kind);
    if (!usage || !evaluator) continue;
    const missing = evaluator.missing?.(
      object,
      [...account.hard.keys()].filter((name) => evaluator.covers(name)),
    );
    if (missing !== undefined) throw refusal(request, `failed quota: ${account.name}: ${missing}`);
    const before = oldObject && account.usageOf(kind, oldObject);
    const delta = increase(usage, before);
    if (delta.size > 0) charges.push({ account, delta });
  }
  for (const { account, delta } of charges) {
    const exceeded = account.exceededBy(delta);
    if (exceeded.length > 0) throw refusal(request, exceededWords(account, delta, exceeded));
  }
  if (dryRun || charges.length === 0) return undefined;
  const made = charges.map(({ account, delta }) => {
    const reservation = quotas.reservation(request, delta);
    account.reserve(reservation);
    return () => account.release(reservation);
  });
  return () => made.forEach((takeBack) => takeBack());
}

/** What is used less is not given back before the object is stored. */
function increase(usage: Usage, before: Usage | undefined): Usage {
  const delta = new Map<string, Quantity>();
  for (const [name, amount] of usage) {
    const known = before?.get(name);
    const more = known ? subtractQuantities(amount, known) : amount;
    if (more.nano > 0n) delta.set(name, more);
  }
  return delta;
}

function exceededWords(account: QuotaAccount, delta: Usage, names: readonly string[]): string {
  const list = (amountOf: (name: string) => Quantity | undefined) =>
    names
      .map((name) => `${name}=${formatQuantity(amountOf(name) ?? { nano: 0n, format: 'decimal' })}`)
      .join(',');
  return (
    `exceeded quota: ${account.name}, requested: ${list((name) => delta.get(name))}, ` +
    `used: ${list((name) => account.inUse(name))}, limited: ${list((name) => account.hard.get(name))}`
  );
}

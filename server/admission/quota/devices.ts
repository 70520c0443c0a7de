import type {
  DeviceRequest,
  ResourceResourceClaim as ResourceClaim,
} from '../../../protocol/generated/models.ts';
import { times } from './amounts.ts';
import type { Evaluator } from './usage.ts';

const ofClass = '.deviceclass.resource.k8s.io/devices';
/** As many as one claim can be given (source: k8s.io/api/resource/v1, AllocationResultsMaxSize). */
const allDevices = 32;

export const deviceEvaluator: Evaluator = {
  covers: (name) => name.endsWith(ofClass),
  usage(object) {
    const counts = new Map<string, number>();
    for (const request of (object as ResourceClaim).spec?.devices?.requests ?? [])
      for (const [name, count] of devicesOf(request)) counts.set(name, (counts.get(name) ?? 0) + count);
    return new Map([...counts].map(([name, count]) => [`${name}${ofClass}`, times(count)]));
  },
  charges: ({ operation, subresource }) => subresource === '' && operation === 'CREATE',
};

/** Of alternatives, each class may get as many as the most that one of them asks of it. */
function devicesOf({ exactly, firstAvailable = [] }: DeviceRequest): ReadonlyMap<string, number> {
  const most = new Map<string, number>();
  for (const { deviceClassName, allocationMode, count } of [
    ...(exactly ? [exactly] : []),
    ...firstAvailable,
  ]) {
    const wanted = allocationMode === 'All' ? allDevices : (count ?? 1);
    most.set(deviceClassName, Math.max(most.get(deviceClassName) ?? 0, wanted));
  }
  return most;
}

/** Condition of a pod whose app may hold a lock against updates: while it is True, rollouts with a policy wait. */
export const updateLockCondition = 'fleet.flotilla.dev/UpdateLock';

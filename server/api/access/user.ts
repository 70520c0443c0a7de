/** Who sends a request, as an authenticator established it. */
export interface User {
  name: string;
  uid?: string;
  groups: readonly string[];
}

/** Group that every identified user is in. */
export const authenticatedGroup = 'system:authenticated';

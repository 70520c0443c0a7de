import type { Admission, AdmissionRequest, Review } from '../registry/admission.ts';
import type { AdmissionPlugin, MutatingPass, TakeBack } from './define-admission.ts';

export interface AdmissionChain extends Admission {
  /** Adds plugins behind those that are there. */
  install(plugins: readonly AdmissionPlugin[]): void;
}

/**
 * Everyone who has a say in writes, in order. It has no plugins at first: the registry is made with it, and plugins need
 * a registry.
 */
export function createAdmission(): AdmissionChain {
  const plugins: AdmissionPlugin[] = [];
  return {
    install: (added) => void plugins.push(...added),
    reviewOf(subject) {
      let concerned: AdmissionPlugin[] | undefined;
      for (const plugin of plugins) if (plugin.handles(subject)) (concerned ??= []).push(plugin);
      return concerned && reviewBy(concerned);
    },
  };
}

function reviewBy(plugins: readonly AdmissionPlugin[]): Review {
  return {
    async admit(request) {
      let isAskedFor = false;
      const askForSecond = () => {
        isAskedFor = true;
      };
      await admitBy(plugins, request, { isSecond: false, askForSecond });
      if (isAskedFor) await admitBy(plugins, request, { isSecond: true, askForSecond });
    },
    validate: (request) => validateBy(plugins, request),
  };
}

/** What is done at once is not waited for: most plugins are. */
async function admitBy(
  plugins: readonly AdmissionPlugin[],
  request: AdmissionRequest,
  pass: MutatingPass,
): Promise<void> {
  for (const plugin of plugins) {
    const pending = plugin.admit?.(request, pass);
    if (pending) await pending;
  }
}

async function validateBy(plugins: readonly AdmissionPlugin[], request: AdmissionRequest): Promise<TakeBack> {
  const accounts: TakeBack[] = [];
  const takeBack = () => {
    for (const account of accounts.splice(0)) account();
  };
  try {
    for (const plugin of plugins) {
      const given = plugin.validate?.(request);
      const account = given instanceof Promise ? await given : given;
      if (account) accounts.push(account);
    }
  } catch (error) {
    takeBack();
    throw error;
  }
  return takeBack;
}

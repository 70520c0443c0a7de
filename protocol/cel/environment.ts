import { Environment } from '@marcbachmann/cel-js';
import { registerAddressLibrary } from './address-library.ts';
import { registerListLibrary } from './list-library.ts';
import { registerQuantityLibrary } from './quantity-library.ts';
import { registerTextLibrary } from './text-library.ts';

/** Sizes beyond which an expression is refused before it is looked at any further. */
export const celLimits = {
  expressionCharactersMax: 32_768,
  nodesMax: 5000,
  depthMax: 64,
  /** For all the rules on one object together. */
  evaluationMsMax: 200,
};

/** CEL with the functions that Kubernetes adds to it; variables are the caller's to register, on a clone. */
export function createCelEnvironment(): Environment {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: {
      maxAstNodes: celLimits.nodesMax,
      maxDepth: celLimits.depthMax,
    },
  });
  registerTextLibrary(environment);
  registerListLibrary(environment);
  registerQuantityLibrary(environment);
  registerAddressLibrary(environment);
  return environment;
}

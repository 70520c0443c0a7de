/** Flotilla's version, as package.json has it (test/unit/tidy.test.ts compares them). */
export const flotillaVersion = '0.1.0';

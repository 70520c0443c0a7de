import generated from '../generated/protobuf.json' with { type: 'json' };

/** Kubernetes' protobuf messages, as protocol/generate-protobuf.ts derives them. */
export interface MessageTable {
  /** Which release of Kubernetes it was made from. */
  source: string;
  /** By package in the form of schema names, such as `io.k8s.api.core.v1`. */
  packages: Readonly<Record<string, PackageTable>>;
}

/** By bare message name. `[]string` stands for a message that JSON writes as a list: its only field, number 1. */
export type PackageTable = Readonly<Record<string, readonly FieldRow[] | '[]string'>>;

/**
 * Number, name in JSON ('': the message's fields stand among those of the message around it), and type: a scalar of
 * protobuf or a message (of the same package where it has no dots), with `[]` before it for a list, `{}` for a map with
 * strings as keys, and `?` behind it where a zero on the wire stands for an absent field.
 */
export type FieldRow = readonly [number: number, name: string, type: string];

/** The table of the server; a device must not load it. */
export const messageTable = generated as unknown as MessageTable;

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateProtobuf } from '../../../../protocol/generate-protobuf.ts';

const head = (name: string) => `syntax = "proto2";\npackage k8s.io.${name};\noption go_package = "x";\n`;
const meta = {
  path: 'apimachinery/pkg/apis/meta/v1',
  proto: `${head('apimachinery.pkg.apis.meta.v1')}
message ObjectMeta {
  optional string name = 1;
}
message Verbs {
  repeated string items = 1;
}
message Duration {
  optional int64 duration = 1;
}`,
  go: `
type ObjectMeta struct {
	Name string \`json:"name,omitempty" protobuf:"bytes,1,opt,name=name"\`
}

type Verbs []string

type Duration struct {
	time.Duration \`protobuf:"varint,1,opt,name=duration,casttype=time.Duration"\`
}
`,
};
const boats = {
  path: 'api/fleet/v1',
  proto: `${head('api.fleet.v1')}
/* A boat
   floats. */
message Boat {
  // its name
  optional .k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta metadata = 1;

  optional Hull hullSource = 3;
  optional int32 crew = 2;
  optional string flag = 4;
  repeated string ports = 5;
  map<string, bytes> cargo = 6;
  optional .k8s.io.apimachinery.pkg.apis.meta.v1.Verbs orders = 7;
}

message Hull {
  optional bool Steel = 1;
}`,
  go: `
// +genclient
type Boat struct {
	metav1.TypeMeta   \`json:",inline"\`
	metav1.ObjectMeta \`json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"\`
	Hull \`json:",inline" protobuf:"bytes,3,opt,name=hullSource"\`
	// +optional
	Crew *int32 \`json:"crew,omitempty" protobuf:"varint,2,opt,name=crew"\`
	Flag FlagColour \`json:"flag,omitempty" patchStrategy:"merge" protobuf:"bytes,4,opt,name=flag"\`
	Ports []string \`json:"ports,omitempty" protobuf:"bytes,5,rep,name=ports"\`
	Cargo map[string][]byte \`json:"cargo,omitempty" protobuf:"bytes,6,rep,name=cargo"\`
	Orders metav1.Verbs \`json:"orders,omitempty" protobuf:"bytes,7,opt,name=orders"\`
}

type Hull struct {
	Steel bool \`json:"isSteel" protobuf:"varint,1,opt,name=Steel"\`
}
`,
};

function generate(...packages: { path: string; proto: string; go: string }[]): string {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'flotilla-proto-'));
  for (const { path, proto, go } of packages) {
    const directory = join(folder.path, 'k8s.io', path);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'generated.proto'), proto);
    writeFileSync(join(directory, 'types.go'), go);
  }
  return generateProtobuf(folder.path, 'test');
}

test('numbers and types come from the .proto file, names and zeros from the Go structs', () => {
  assert.deepEqual(JSON.parse(generate(meta, boats)), {
    source: 'test',
    packages: {
      'io.k8s.api.fleet.v1': {
        Boat: [
          [1, 'metadata', 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'],
          [2, 'crew', 'int32'],
          [3, '', 'Hull'],
          [4, 'flag', 'string?'],
          [5, 'ports', '[]string'],
          [6, 'cargo', '{}bytes'],
          [7, 'orders', 'io.k8s.apimachinery.pkg.apis.meta.v1.Verbs'],
        ],
        Hull: [[1, 'isSteel', 'bool']],
      },
      'io.k8s.apimachinery.pkg.apis.meta.v1': { ObjectMeta: [[1, 'name', 'string?']], Verbs: '[]string' },
    },
  });
});

test('alphas and betas are left out', () => {
  assert.equal(
    generate(meta, { ...boats, path: 'api/fleet/v1beta1' }),
    generate(meta, { ...meta, path: 'api/x/v2beta1' }),
  );
});

test('what it does not understand it refuses, instead of leaving it out', () => {
  const strange = (proto: string) => () => generate(meta, { ...boats, proto: boats.proto + proto });
  assert.throws(strange('\nenum Colour { RED = 0; }'), /not understood/);
  assert.throws(strange('\nmessage Group {\n  required int32 a = 1;\n}'), /not understood/);
  const using = (type: string) => () =>
    generate(meta, { ...boats, proto: boats.proto.replace('Hull hullSource', type) });
  assert.throws(using('Sail hullSource'), /Boat\..*: no message Sail/);
  assert.throws(using('.k8s.io.apimachinery.pkg.apis.meta.v1.Duration hullSource'), /no message .*Duration/);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigMap } from '../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../protocol/kinds/config-map.ts';
import type { KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import type { AdmissionPlugin } from '../../../../server/admission/define-admission.ts';
import { type AdmissionRequest, serverItself } from '../../../../server/registry/admission.ts';
import { badRequest, forbidden } from '../../../../server/registry/failures.ts';
import { requestedBy } from '../../../../server/registry/requested-by.ts';
import { refused } from '../registry/registry-fixture.ts';
import { openAdmission, pod } from './admission-fixture.ts';

const at = (name: string) => ({ namespace: 'default', name });
const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({ metadata: at(name), data });
const isMap: AdmissionPlugin['handles'] = ({ kind }) => kind === configMapKind;

/** A plugin that puts its name into the data of config maps. */
const marking = (name: string): AdmissionPlugin => ({
  handles: isMap,
  admit({ object }) {
    ((object as ConfigMap).data ??= {})[name] = Object.keys((object as ConfigMap).data ?? {}).join();
  },
});

describe('a review', () => {
  test('lets everyone change the object in order, then asks everyone about the final one', async () => {
    await using fixture = await openAdmission();
    const seen: unknown[] = [];
    fixture.admission.install([
      { handles: isMap, validate: ({ object }) => void seen.push((object as ConfigMap).data) },
      marking('first'),
      marking('second'),
    ]);
    const { data } = await fixture.registry.create(configMapKind, map('a'));
    assert.deepEqual(data, { first: '', second: 'first' });
    assert.deepEqual(seen, [data]);
  });

  test('is not held for what nobody has a say in, and follows who has one now', async () => {
    await using fixture = await openAdmission();
    let has = false;
    fixture.admission.install([{ ...marking('m'), handles: () => has }]);
    assert.equal((await fixture.registry.create(configMapKind, map('a'))).data?.m, undefined);
    has = true;
    assert.equal((await fixture.registry.create(configMapKind, map('b'))).data?.m, '');
  });

  test('goes through the changes a second time when one asks for it, and no third time', async () => {
    await using fixture = await openAdmission();
    const passes: boolean[] = [];
    fixture.admission.install([
      {
        handles: isMap,
        admit(_request, pass) {
          passes.push(pass.isSecond);
          pass.askForSecond();
        },
      },
    ]);
    await fixture.registry.create(configMapKind, map('a'));
    assert.deepEqual(passes, [false, true]);
  });

  test('an object put in the place of the draft keeps what the server stamps', async () => {
    await using fixture = await openAdmission();
    fixture.admission.install([
      {
        handles: isMap,
        admit(request) {
          const stamps =
            request.operation === 'CREATE' ? { namespace: 'other', uid: 'x', generation: 9 } : {};
          const object: ConfigMap = { metadata: { name: 'a', ...stamps }, data: { b: 'c' } };
          request.object = object;
        },
      },
    ]);
    const created = await fixture.registry.create(configMapKind, map('a'));
    const { uid, namespace } = created.metadata ?? {};
    assert.deepEqual([created.kind, namespace, created.data], ['ConfigMap', 'default', { b: 'c' }]);
    assert.notEqual(uid, 'x');
    const updated = await fixture.registry.update(configMapKind, map('a', { d: 'e' }));
    assert.deepEqual([updated.metadata?.uid, updated.data], [uid, { b: 'c' }]);
  });

  test('what it makes of an object is validated as if the client had sent it', async () => {
    await using fixture = await openAdmission();
    fixture.admission.install([
      { handles: isMap, admit: ({ object }) => void ((object as ConfigMap).data = { '/': 'x' }) },
    ]);
    await assert.rejects(fixture.registry.create(configMapKind, map('a')), refused('Invalid', /data\[\/\]/));
  });

  test('a generated name is not known to who changes, and known to who validates', async () => {
    await using fixture = await openAdmission();
    const names: string[] = [];
    fixture.admission.install([
      {
        handles: isMap,
        admit: ({ name }) => void names.push(name),
        validate: ({ name }) => void names.push(name),
      },
    ]);
    const metadata = { namespace: 'default', generateName: 'a-' };
    const created = await fixture.registry.create(configMapKind, { metadata });
    assert.deepEqual(names, ['', created.metadata?.name]);
  });
});

describe('what a review is told', () => {
  test('every road of a write, with its user, options and old object', async () => {
    await using fixture = await openAdmission();
    const told: string[] = [];
    const tell = ({
      operation,
      subresource,
      name,
      user,
      dryRun,
      object,
      oldObject,
      options,
    }: AdmissionRequest) =>
      void told.push(
        `${operation} ${name}${subresource && '/'}${subresource} ${user.name} ${String(options.kind)} ${dryRun} ` +
          `${object ? 'new' : '-'} ${oldObject ? 'old' : '-'}`,
      );
    fixture.admission.install([{ handles: ({ kind }) => kind === podKind, validate: tell }]);
    const mine = requestedBy(fixture.registry, { ...fixture.asClient, updateOptionsKind: 'PatchOptions' });
    const { metadata } = await mine.create(podKind, pod('a'));
    await mine.create(podKind, pod('b'), { dryRun: true });
    await mine.mutate(podKind, at('a'), (draft) => void ((draft.metadata ??= {}).labels = { a: 'b' }));
    await fixture.registry.mutate(podKind, at('a'), () => {}, { subresource: 'status' });
    await mine.bind(at('a'), metadata?.uid ?? '', 'n', { dryRun: true });
    await fixture.registry.bind(at('a'), metadata?.uid ?? '', 'n');
    await mine.delete(podKind, at('a'), { gracePeriodSeconds: 0 });
    assert.deepEqual(told, [
      'CREATE a dev CreateOptions false new -',
      'CREATE b dev CreateOptions true new -',
      'UPDATE a dev PatchOptions false new old',
      `UPDATE a/status ${serverItself.name} UpdateOptions false new old`,
      'CREATE a/binding dev CreateOptions true new -',
      `CREATE a/binding ${serverItself.name} CreateOptions false new -`,
      'DELETE a dev DeleteOptions false - old',
    ]);
    assert.equal((await fixture.registry.list(podKind)).items.length, 0);
  });

  test('a refusal leaves everything as it was', async () => {
    await using fixture = await openAdmission();
    await fixture.registry.create(configMapKind, map('a'));
    const { resourceVersion } = fixture.registry;
    const refuse = ({ kind, name }: AdmissionRequest) => {
      throw forbidden(kind, name, 'no');
    };
    fixture.admission.install([{ handles: isMap, validate: refuse }]);
    const { registry } = fixture;
    const no = refused('Forbidden', 'configmaps "a" is forbidden: no');
    await assert.rejects(registry.update(configMapKind, map('a', { b: 'c' })), no);
    await assert.rejects(registry.delete(configMapKind, at('a')), no);
    await assert.rejects(
      registry.create(configMapKind, map('b')),
      refused('Forbidden', 'configmaps "b" is forbidden: no'),
    );
    assert.equal(registry.resourceVersion, resourceVersion);
  });

  test('a missing namespace is the reason, before anybody looks into it', async () => {
    await using fixture = await openAdmission();
    fixture.admission.install([
      {
        handles: isMap,
        admit() {
          throw badRequest('asked');
        },
      },
    ]);
    await assert.rejects(
      fixture.registry.create(configMapKind, { metadata: { name: 'a', namespace: 'none' } }),
      refused('NotFound', 'namespaces "none" not found'),
    );
  });

  test('an update that lost a race is reviewed again, against the newer object', async () => {
    await using fixture = await openAdmission();
    await fixture.registry.create(configMapKind, map('a', { count: '0' }));
    const olds: (string | undefined)[] = [];
    let isFirst = true;
    fixture.admission.install([
      {
        handles: isMap,
        async validate({ oldObject }) {
          olds.push((oldObject as ConfigMap).data?.count);
          if (!isFirst) return;
          isFirst = false;
          await fixture.registry.mutate(
            configMapKind,
            at('a'),
            (draft) => void (draft.data = { count: '1' }),
          );
        },
      },
    ]);
    await fixture.registry.mutate(configMapKind, at('a'), (draft) => void ((draft.data ??= {}).mine = 'x'));
    assert.deepEqual(olds, ['0', '0', '1']);
    const { data } = await fixture.registry.get(configMapKind, at('a'));
    assert.deepEqual(data, { count: '1', mine: 'x' });
  });
});

describe('what is accounted for a write', () => {
  async function open() {
    const fixture = await openAdmission();
    const held = new Set<KubernetesObject | undefined>();
    const hold: AdmissionPlugin = {
      handles: isMap,
      validate({ object, dryRun }) {
        if (dryRun) return undefined;
        held.add(object);
        return () => void held.delete(object);
      },
    };
    fixture.admission.install([hold]);
    return { fixture, held };
  }

  test('is taken back when a later plugin refuses or the write fails, and kept when it is made', async () => {
    const { fixture, held } = await open();
    await using opened = fixture;
    let refuses = true;
    opened.admission.install([
      {
        handles: isMap,
        validate() {
          if (refuses) throw badRequest('no');
        },
      },
    ]);
    await assert.rejects(opened.registry.create(configMapKind, map('a')), refused('BadRequest', 'no'));
    assert.equal(held.size, 0);
    refuses = false;
    await opened.registry.create(configMapKind, map('a'));
    await assert.rejects(
      opened.registry.create(configMapKind, map('a')),
      refused('AlreadyExists', /already exists/),
    );
    assert.equal(held.size, 1);
  });
});

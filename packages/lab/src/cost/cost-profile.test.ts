import { LabError } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { COST_CONSTANT_NAMES } from './cost-constant.ts';
import { parseProfile, parseProfileText } from './cost-profile.ts';
import { profileNames, readProfile } from './read-profile.ts';

type Json = Record<string, unknown>;

/** A shipped profile as JSON, with one thing changed. */
function changed(change: (profile: { constants: Record<string, Json>; copy: { knots: Json[] } & Json } & Json) => void): string {
  const profile = JSON.parse(JSON.stringify(source()));
  change(profile);
  return JSON.stringify(profile, null, 2);
}

function source(): Json {
  const { name, description, warnings, constants, copy } = readProfile('vtd-bare');
  return { format: 'dmalab-cost-profile', version: 1, name, description, warnings, constants, copy };
}

function refusal(act: () => unknown): LabError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    return error as LabError;
  }
  throw new Error('not refused');
}

describe('profiles that come along', () => {
  it.each(profileNames())('%s is complete, and says of each number where it comes from', (name) => {
    const profile = readProfile(name);
    expect(profile.name).toBe(name);
    expect(Object.keys(profile.constants)).toEqual(COST_CONSTANT_NAMES);
    for (const constant of Object.values(profile.constants)) {
      if (constant.value === null) expect(constant.reason.length).toBeGreaterThan(20);
      else expect(constant.source.length).toBeGreaterThan(20);
    }
  });

  it('has the figures of vtd-bare', () => {
    const { constants } = readProfile('vtd-bare');
    const row = (name: keyof typeof constants): string => {
      const constant = constants[name];
      return constant.value === null
        ? `${name}: ${constant.reason}`
        : `${name}: ${constant.low} - ${constant.value} - ${constant.high} ${constant.unit}, ${constant.grade}, [${constant.restsOn}]`;
    };
    expect(COST_CONSTANT_NAMES.map(row)).toMatchSnapshot();
  });

  it('keeps the invalidation of vtd-bare clear of the published results that it is checked against', () => {
    const { pageInvalidation } = readProfile('vtd-bare').constants;
    expect('restsOn' in pageInvalidation && pageInvalidation.restsOn).toEqual(['P11', 'P7']);
  });

  it('can be read in a browser, from an object', () => {
    expect(parseProfile(source())).toEqual(readProfile('vtd-bare'));
  });
});

describe('a wrong profile', () => {
  it.each<[string, string, string, Parameters<typeof changed>[0]]>([
    ['PRF002', 'constants.lock', 'a constant is missing', ({ constants }) => delete constants.lock],
    ['PRF002', 'constants.lock.value', 'a value is missing', ({ constants }) => delete constants.lock.value],
    ['PRF002', 'constants.lock.low', 'the low end is missing', ({ constants }) => delete constants.lock.low],
    ['PRF002', 'constants.lock.value', 'a value is a text', ({ constants }) => (constants.lock.value = '6')],
    ['PRF003', 'constants.lock.value', 'a value is negative', ({ constants }) => (constants.lock.value = -6)],
    ['PRF004', 'constants.lock.unit', 'a wrong unit', ({ constants }) => (constants.lock.unit = 'us/lock')],
    ['PRF005', 'constants.lock.low', 'low above the value', ({ constants }) => (constants.lock.low = 7)],
    ['PRF005', 'constants.lock.high', 'high below the value', ({ constants }) => (constants.lock.high = 5)],
    ['PRF002', 'constants.lock.source', 'no source', ({ constants }) => delete constants.lock.source],
    ['PRF002', 'constants.lock.source', 'an empty source', ({ constants }) => (constants.lock.source = ' ')],
    ['PRF002', 'constants.lock.grade', 'an unknown grade', ({ constants }) => (constants.lock.grade = 'E')],
    ['PRF006', 'constants.locks', 'an unknown constant', ({ constants }) => (constants.locks = constants.lock)],
    ['PRF003', 'constants.iotlbEntries.value', 'half an entry', ({ constants }) => (constants.iotlbEntries.value = 64.5)],
    ['PRF006', 'copy.knots', 'a knot too few', ({ copy }) => copy.knots.pop()],
    ['PRF005', 'copy.knots[2].cold', 'cold cheaper than hot', ({ copy }) => (copy.knots[2].cold = 1)],
    ['PRF002', 'format', 'another format', (profile) => (profile.format = 'other')],
    ['PRF003', 'version', 'another version', (profile) => (profile.version = 2)],
    ['PRF002', 'name', 'no name', (profile) => delete profile.name],
  ])('%s at %s: %s', (code, path, _, change) => {
    const text = changed(change);
    const error = refusal(() => parseProfileText(text, 'my.json'));
    expect([error.code, error.message, error.file]).toEqual([code, `The cost profile is wrong at ${path}.`, 'my.json']);
    const named = path.split(/[.[]/).at(-1)!.replace(']', '');
    const line = text.split('\n')[error.line! - 1];
    const missing = !text.includes(`"${named}":`) || !line.includes(`"${named}"`);
    // A missing field is shown where what surrounds it begins.
    if (missing) expect(line).toMatch(/\{$/);
    else expect(line).toContain(`"${named}"`);
  });

  it('refuses numbers that JSON does not have', () => {
    const profile = JSON.parse(JSON.stringify(source()));
    profile.constants.lock.value = Number.NaN;
    expect(refusal(() => parseProfile(profile))).toMatchObject({ code: 'PRF003', got: 'NaN' });
  });

  it('says where a file stops being JSON', () => {
    expect(refusal(() => parseProfileText('{\n "format": 1,\n x\n}', 'my.json'))).toMatchObject({ code: 'PRF001', line: 3 });
  });

  it('allows a constant without a basis when it says why', () => {
    const text = changed(({ constants }) => {
      constants.lock = { unit: 'ns/lock', value: null, reason: 'nobody has measured it' };
    });
    expect(parseProfileText(text).constants.lock).toEqual({ unit: 'ns/lock', value: null, reason: 'nobody has measured it' });
  });

  it('suggests the nearest name', () => {
    expect(refusal(() => readProfile('vtd-bear'))).toMatchObject({ code: 'PRF007', next: 'did you mean vtd-bare?' });
    expect(refusal(() => readProfile('./none.json'))).toMatchObject({ code: 'PRF008', got: 'no such file' });
  });
});

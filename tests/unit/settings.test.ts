import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseText } from '../../cli/arguments/option-values.ts';
import { OPTIONS, PROJECT_NAMES, variableOf } from '../../cli/arguments/options.ts';
import { findProjectFile, resolveSettings } from '../../cli/arguments/settings.ts';
import { strayVariables } from '../../cli/arguments/stray-variables.ts';
import { samplingOf } from '../../cli/sampling.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

function settings(env: NodeJS.ProcessEnv) {
  return resolveSettings({
    flags: new Map(),
    env,
    projectFile: undefined,
    userFile: join(folder, 'none.json'),
  });
}

describe('settings from a file', () => {
  it.each([
    ['UTF-8', '\ufeff{"max-tokens": 5}\r\n', 'utf8'],
    ['UTF-16', '\ufeff{"max-tokens": 5}\r\n', 'utf16le'],
  ] as const)('may begin with a byte order mark: %s', (_name, text, encoding) => {
    const userFile = join(folder, 'marked.json');
    writeFileSync(userFile, text, encoding);
    const found = resolveSettings({ flags: new Map(), env: {}, projectFile: undefined, userFile });
    expect(found.get('max-tokens')?.value).toBe(5);
  });
});

describe('settings from the environment', () => {
  it('have the type of the option', () => {
    const found = settings({
      PERCEPT_MAX_TOKENS: '5',
      PERCEPT_STATS: 'yes',
      PERCEPT_SYSTEM: '0',
      PERCEPT_TOP_P: '.5',
    });
    expect(found.get('max-tokens')?.value).toBe(5);
    expect(found.get('stats')?.value).toBe(true);
    expect(found.get('system')?.value).toBe('0');
    expect(found.get('top-p')?.value).toBe(0.5);
  });

  it('ignore empty variables, and options that are not settings', () => {
    const found = settings({ PERCEPT_MODEL: '', PERCEPT_JSON: '1', PERCEPT_MESSAGES: 'a.json' });
    expect(found.get('model')).toEqual({ value: 'smollm2', origin: 'default' });
    expect(found.has('json')).toBe(false);
    expect(found.has('messages')).toBe(false);
  });

  it('have names made of the flags', () => {
    expect(variableOf('repeat-penalty')).toBe('PERCEPT_REPEAT_PENALTY');
  });
});

describe('the project file', () => {
  it('is none where the folder cannot be searched, or does not exist any more', () => {
    expect(findProjectFile(`/${'x'.repeat(300)}`)).toBeUndefined(); // the system refuses the name
    expect(findProjectFile(undefined)).toBeUndefined();
  });

  it('may only set sampling and lengths, and name a model', () => {
    expect(PROJECT_NAMES).toEqual([
      'model',
      ...['max-tokens', 'temperature', 'top-k', 'top-p', 'min-p', 'typical'],
      ...[
        'repeat-penalty',
        'presence-penalty',
        'frequency-penalty',
        'dry',
        'xtc',
        'mirostat',
        'samplers',
        'seed',
      ],
      ...['ctx', 'draft'],
    ]);
  });

  it('is the nearest one upwards', () => {
    const deep = join(folder, 'a/b/c');
    mkdirSync(deep, { recursive: true });
    expect(findProjectFile(deep)).toBeUndefined();
    writeFileSync(join(folder, '.percept.json'), '{}');
    expect(findProjectFile(deep)).toBe(join(folder, '.percept.json'));
    writeFileSync(join(folder, 'a/b/.percept.json'), '{}');
    expect(findProjectFile(deep)).toBe(join(folder, 'a/b/.percept.json'));
  });
});

describe('values', () => {
  it.each([
    ['1e3', 1000],
    [' 7 ', 7],
  ])('accept %j as a number', (text, value) => {
    expect(parseText(OPTIONS.temperature, text, '--temperature')).toBe(value);
  });

  it.each(['', ' ', 'Infinity', '-', '1,5', '0x'])('reject %j as a number', (text) => {
    expect(() => parseText(OPTIONS.temperature, text, '--temperature')).toThrow(
      'Expected --temperature to be a number',
    );
  });

  it.each([
    ['1', true],
    ['ON', true],
    ['no', false],
    ['0', false],
  ])('read %j as %j', (text, value) => {
    expect(parseText(OPTIONS.stats, text, '--stats')).toBe(value);
  });
});

describe('sampling options', () => {
  it('keep lists of numbers in order', () => {
    expect(samplingOf({ dry: '0.8,1.75', xtc: '0.5,0.1', mirostat: '2,5,0.2' })).toMatchObject({
      dryMultiplier: 0.8,
      dryBase: 1.75,
      xtcProbability: 0.5,
      xtcThreshold: 0.1,
      mirostat: 2,
      mirostatTau: 5,
      mirostatEta: 0.2,
    });
    expect(samplingOf({ dry: '0.8' }).dryBase).toBeUndefined();
  });

  it('read logit biases as pairs', () => {
    const { logitBias } = samplingOf({ logitBias: ['5:-1.5', '7:-inf', '8:+1e2'] });
    expect([...logitBias!]).toEqual([
      [5, -1.5],
      [7, Number.NEGATIVE_INFINITY],
      [8, 100],
    ]);
  });

  it.each(['5', ':1', '5:', '5:x', '-5:1', '5:inf', '5:1.2.3'])('refuse the bias %j', (text) => {
    expect(() => samplingOf({ logitBias: [text] })).toThrow(
      `Expected --logit-bias to be ID:BIAS, got "${text}".`,
    );
  });
});

describe('variables that set nothing', () => {
  it('have a note each, with the name that may be meant', () => {
    expect(
      strayVariables({
        PERCEPT_TEMPRATURE: '0',
        PERCEPT_BOGUS: '1',
        PERCEPT_JSON: '1',
        PERCEPT_EMPTY: '',
        PERCEPT_CTX: '99',
        OTHER_BOGUS: '1',
      }),
    ).toEqual([
      'PERCEPT_TEMPRATURE sets nothing; did you mean PERCEPT_TEMPERATURE?',
      'PERCEPT_BOGUS sets nothing; percept config lists the settings.',
      'PERCEPT_JSON sets nothing: --json is only an option.',
    ]);
  });

  it('are not those that percept, its scripts and its tests read', () => {
    const root = join(import.meta.dirname, '../..');
    const files = ['bin', 'cli', 'core', 'backends', 'scripts', 'tests'].flatMap((folder) =>
      globSync(`${folder}/**/*.{js,ts}`, { cwd: root }),
    );
    const read = files.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...text.matchAll(/env(?:\.|\[')(PERCEPT_\w+)|= '(PERCEPT_\w+)'/g)].map(([, a, b]) => (a ?? b)!);
    });
    expect(read).toContain('PERCEPT_LIFELINE');
    expect(strayVariables(Object.fromEntries(read.map((name) => [name, '1'])))).toEqual([]);
  });
});

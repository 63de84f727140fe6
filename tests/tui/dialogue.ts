/** A dialogue with the tiny model, without a screen: what it shows is collected. Begins anew with every test. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Options } from '../../cli/arguments/options.ts';
import type { ChoiceList } from '../../cli/chat/choices.ts';
import { Dialogue } from '../../cli/chat/dialogue.ts';
import { Pacer } from '../../cli/chat/pacer.ts';
import { SessionKeeper } from '../../cli/chat/session-keeper.ts';
import { runCommand, SLASH_COMMANDS } from '../../cli/chat/slash-commands/index.ts';
import type { CommandContext, Screen } from '../../cli/chat/slash-commands/slash-command.ts';
import type { Entry } from '../../cli/chat/transcript.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';

export const TEMPLATE =
  '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}';

/** What tests set: the choice that the user takes from a list, if any, and whether the screen wants probabilities. */
export const user = { taken: undefined as string | undefined, scored: false };

export let entries: Entry[];
export let offered: ChoiceList | undefined;
export let composed: { text: string; send?: (text: string) => void } | undefined;
export let left: boolean;
export let unsent: string[];
export let store: SessionStore;
export let dialogue: Dialogue;
export let context: CommandContext;

export const screen: Screen = {
  columns: 80,
  choose: async (list) => {
    offered = list;
    return list.choices.find(({ value }) => value === user.taken);
  },
  compose: (text, send) => {
    composed = { text, send };
    return true;
  },
  copy: () => true,
  clear: () => {},
  exit: () => {
    left = true;
  },
  inspect: () => false,
};

export async function chat(options: Partial<Options> = {}): Promise<Dialogue> {
  const template = join(emptyFolder(), 'template.jinja');
  writeFileSync(template, TEMPLATE);
  const all = {
    model: TINY_MODEL,
    backend: 'cpu',
    maxTokens: 6,
    seed: 1,
    temperature: 1,
    template,
    ...options,
  };
  dialogue = new Dialogue({
    frontend: {
      transcript: { add: (entry) => void entries.push(entry) },
      wantsProbabilities: () => user.scored,
      onUnsent: (text) => void unsent.push(text),
    },
    keeper: new SessionKeeper(store),
    options: all,
    pacer: new Pacer({ least: 1, most: 1, share: 1 }),
  });
  context = {
    dialogue,
    screen,
    theme: themeOf({ color: 0, background: 'dark', ascii: true }),
    commands: SLASH_COMMANDS,
  };
  expect(await dialogue.load(TINY_MODEL, 'cpu')).toBe(true);
  return dialogue;
}

/** Waits until nothing is running or queued. */
export async function idle(): Promise<void> {
  await new Promise<void>((resolve) => {
    const check = () => {
      const { phase, queued } = dialogue.state.get();
      if (phase === 'idle' && queued.length === 0) resolve();
    };
    dialogue.state.subscribe(check);
    setTimeout(check, 5);
  });
}

export async function say(text: string): Promise<void> {
  dialogue.say(text);
  await idle();
}

export async function command(line: string): Promise<string> {
  const before = entries.length;
  await runCommand(context, line);
  await idle();
  return entries
    .slice(before)
    .map((entry) => {
      if (entry.kind === 'output') return entry.lines.join('\n');
      if (entry.kind === 'notice') return entry.text;
      return entry.kind === 'error' ? `error: ${(entry.error as Error).message}` : `<${entry.kind}>`;
    })
    .join('\n');
}

export const answers = () =>
  dialogue.branch.path.filter(({ role }) => role === 'assistant').map(({ content }) => content);

beforeEach(async () => {
  entries = [];
  composed = undefined;
  offered = undefined;
  user.taken = undefined;
  left = false;
  user.scored = false;
  unsent = [];
  store = await openSessions(join(emptyFolder(), 'sessions.db'));
});

afterEach(() => dialogue.close());

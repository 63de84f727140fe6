import { describe, expect, it } from 'vitest';
import { ChatTemplate } from '../../core/chat-template.ts';
import { modelDefaults, parametersFor } from '../../core/model-defaults.ts';
import { CATALOGUE } from '../../core/models/catalogue.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';

const ENTRY = CATALOGUE.find(({ defaults }) => defaults)!;
const metadata = new Map<string, number>([['general.sampling.top_k', 7]]);
const file = { path: `/anywhere/${ENTRY.fileName}`, fileBytes: ENTRY.bytes, metadata };

describe('the defaults of a model', () => {
  it('are those of its catalogue entry over those of its file', () => {
    expect(modelDefaults(file)).toEqual({
      system: ENTRY.defaults!.system,
      sampling: { topK: 7, ...ENTRY.defaults!.sampling },
    });
  });

  it.each([
    ['another name', { path: '/anywhere/other.gguf' }],
    ['another size', { fileBytes: ENTRY.bytes + 1 }],
  ])('are those of the file for a file of %s', (_, other) => {
    expect(modelDefaults({ ...file, ...other })).toEqual({ system: undefined, sampling: { topK: 7 } });
  });

  it('have no penalties at temperature 0, unless the caller gives them', () => {
    const defaults = { sampling: { temperature: 0.1, topK: 7, repeatPenalty: 1.1, presencePenalty: 1 } };
    expect(parametersFor(defaults, {})).toMatchObject({ temperature: 0.1, topK: 7, repeatPenalty: 1.1 });
    expect(parametersFor(defaults, { temperature: 0 })).toMatchObject({
      topK: 7,
      repeatPenalty: 1,
      presencePenalty: 0,
    });
    expect(parametersFor(defaults, { temperature: 0, repeatPenalty: 1.3 })).toMatchObject({
      repeatPenalty: 1.3,
    });
  });

  it('are in range', () => {
    for (const { defaults } of CATALOGUE)
      expect(() => samplerParameters({ ...defaults?.sampling })).not.toThrow();
  });

  it('give a system message to a conversation that has none', async () => {
    const template = await ChatTemplate.parse(
      '{% for m in messages %}[{{ m.role }} {{ m.content }}]{% endfor %}',
    );
    const messages = [{ role: 'user', content: 'Hi' }];
    expect(template.render({ messages, system: '' })).toBe('[system ][user Hi]');
    expect(template.render({ messages })).toBe('[user Hi]');
    const own = [{ role: 'system', content: 'Own' }, ...messages];
    expect(template.render({ messages: own, system: '' })).toBe('[system Own][user Hi]');
  });
});

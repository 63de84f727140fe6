import { describe, expect, it } from 'vitest';
import { clearWay, takeGreeting } from '../../cli/greeting.ts';

describe('the greeting of the launcher', () => {
  it('is taken over once', () => {
    const env = { PERCEPT_GREETED: '\x1b[1A\r \x1b[J\r', OTHER: 'x' };
    expect(takeGreeting(env)).toEqual({ said: true, erase: '\x1b[1A\r \x1b[J\r' });
    expect(takeGreeting(env)).toEqual({ said: false, erase: '' });
    expect(env).toEqual({ OTHER: 'x' });
  });

  it('may be only the name', () => {
    expect(takeGreeting({ PERCEPT_GREETED: '1' })).toEqual({ said: true, erase: '' });
  });

  it('is replaced by a line once; the name is not repeated', async () => {
    const env = { PERCEPT_GREETED: '\x1b[1A\r \x1b[J\r' };
    const printed: string[] = [];
    const output = { print: async (text: string) => void printed.push(text) };
    await clearWay(output, env);
    expect(takeGreeting(env)).toEqual({ said: true, erase: '' });
    await clearWay(output, env);
    expect(takeGreeting(env)).toEqual({ said: false, erase: '' });
    expect(printed).toEqual(['\x1b[1A\r \x1b[J\r', '']);
  });
});

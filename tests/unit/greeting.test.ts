import { describe, expect, it } from 'vitest';
import { takeGreeting } from '../../cli/greeting.ts';

describe('what the launcher has written', () => {
  it('is taken once', () => {
    const env = { PERCEPT_GREETED: '\x1b[1A\r \x1b[J\r', OTHER: 'x' };
    expect(takeGreeting(env)).toEqual({ said: true, erase: '\x1b[1A\r \x1b[J\r' });
    expect(takeGreeting(env)).toEqual({ said: false, erase: '' });
    expect(env).toEqual({ OTHER: 'x' });
  });

  it('may be the name alone', () => {
    expect(takeGreeting({ PERCEPT_GREETED: '1' })).toEqual({ said: true, erase: '' });
  });
});

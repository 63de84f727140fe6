/** The actions of percept sessions, each with its operands as help writes them; several where the last one ends in `..`. */
export const SESSION_OPERANDS = {
  list: '',
  show: 'ID',
  search: 'WORDS..',
  rename: 'ID TITLE..',
  export: 'ID',
  rm: 'ID..',
} as const satisfies Record<string, string>;

export type SessionAction = keyof typeof SESSION_OPERANDS;

export const SESSION_ACTIONS = Object.keys(SESSION_OPERANDS) as SessionAction[];

/** Environment variables that look like percept's and set nothing. */
import { nearest } from '../../core/near-miss.ts';
import { optionSpec, SETTING_NAMES, variableOf } from './options.ts';

const PREFIX = 'PERCEPT_';

/** Variables that are no settings: of the user, of the launcher, and of scripts and tests. */
const OTHERS = /^PERCEPT_(?:HOME|GREETED|LIFELINE|SUPPORT_TABLE|REQUIRE_SHARED|FOREIGN_HOME|TEST_\w+)$/;

/** A note for the user about each of them. One without text is as good as unset, and has no note. */
export function strayVariables(env: NodeJS.ProcessEnv): string[] {
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX));
  if (names.length === 0) return [];
  const variables = SETTING_NAMES.map(variableOf);
  const strays = names.filter((name) => env[name] && !variables.includes(name) && !OTHERS.test(name));
  return strays.map((name) => `${name} sets nothing${wayOn(name, variables)}`);
}

function wayOn(name: string, variables: readonly string[]): string {
  const option = name.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
  if (optionSpec(option)) return `: --${option} is only an option.`;
  const endings = variables.map((variable) => variable.slice(PREFIX.length));
  const near = nearest(name.slice(PREFIX.length), endings);
  return near ? `; did you mean ${PREFIX}${near}?` : '; percept config lists the settings.';
}

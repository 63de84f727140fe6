import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';
import { bash } from './completion/bash.ts';

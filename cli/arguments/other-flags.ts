/** Flags of programs like this one (llama-cli, ollama, llm, mods, aichat, gemini, claude), with the way on in percept. */

/** Flags, separated by spaces, and a hint. A hint is for the commands that have all options in it. */
type FlagHint = readonly [flags: string, hint: string];

/** For commands that answer. */
const FOR_ANSWERS: readonly FlagHint[] = [
  ['p prompt print query', 'The prompt is written without a flag: percept "Why is the sky blue?"'],
  ['prompt-file input bf binary-file', 'percept - < FILE reads the prompt from a file.'],
  ['e exec execute', 'Nothing is executed; -x prints only the code of the answer.'],
  ['code', '-x prints only the code of the answer.'],
  ['y yes yolo dangerously-skip-permissions', 'An answer needs no yes.'],
  [
    'i interactive if interactive-first cnv conversation prompt-interactive repl mli multiline-input',
    'percept chat is the conversation on a terminal.',
  ],
  ['no-cnv no-conversation no-interactive non-interactive st single-turn', 'percept run answers once.'],
  ['S stream no-stream', 'An answer is printed while it is written; --json prints it in one piece.'],
  [
    'a at attach attachment attachment-type image audio media mmproj',
    'There are no pictures or sounds yet; -f FILE attaches a text file.',
  ],
  ['fragment input-file add-dir', '-f FILE attaches a text file, or those of a folder.'],
  [
    'sys system-prompt system-message append-system-prompt instructions',
    '--system TEXT (-s TEXT) is the system message.',
  ],
  ['sysf system-prompt-file system-file', 'The system message is text: --system "$(cat FILE)"'],
  [
    'cid session session-id conversation-id',
    '-c continues the last conversation, -r ID any other; percept sessions lists them.',
  ],
  ['no-log no-cache no-history', '--no-save stores nothing.'],
  [
    'chat-template chat-template-file jinja no-jinja',
    "--template FILE replaces the model's chat template, --raw uses none.",
  ],
  ['chat-template chat-template-file jinja no-jinja', "--template FILE replaces the model's chat template."],
  [
    'schema schema-multi json-schema jf json-schema-file grammar grammar-file response-format',
    'An answer cannot be bound to a schema or a grammar yet; --json prints it inside a JSON object.',
  ],
  [
    'o option param',
    'Each parameter has an option of its own: -t 0.7, --top-p 0.9, -n 100. --json prints JSON.',
  ],
  [
    'plain md markdown no-md no-markdown no-highlight',
    '--raw-output prints the answer as the model wrote it; a pipe gets it so anyway.',
  ],
  ['keepalive keep-alive', 'Not needed: each command loads its model and frees it at the end.'],
  [
    'log-disable no-display-prompt simple-io silent',
    'Not needed: stdout has only the answer. -q leaves only errors on stderr.',
  ],
  [
    'T tool tools functions mcp-config allowed-tools allowedtools',
    'No tools are called; percept template shows the prompt that they would make.',
  ],
  [
    'key api api-key host url base-url endpoint',
    'There is no server and no key: models run on this machine.',
  ],
  ['np parallel', 'One prompt is answered at a time; -n N stops after N tokens.'],
  ['batch-size ub ubatch-size fa flash-attn', 'Not needed: it is chosen for this machine.'],
];

/** For all commands. */
const FOR_ALL: readonly FlagHint[] = [
  ['version', 'percept version prints the version.'],
  [
    'v V vv vvv verbose verbosity log-verbose',
    '--stats prints counts and speeds, --debug the causes of an error; percept version prints the version.',
  ],
  ['v V vv vvv verbose verbosity log-verbose', '--debug prints the causes of an error.'],
  ['u usage perf timings show-timings', '--stats prints counts and speeds.'],
  [
    'n-predict num-predict predict max-new-tokens max-output-tokens max-completion-tokens num-tokens',
    '-n N (--max-tokens N) stops after N tokens.',
  ],
  [
    'num-ctx n-ctx ctx-size context context-size context-length',
    '--ctx N is the length of the context in tokens.',
  ],
  ['temp', '-t T (--temperature T) is the temperature.'],
  ['repetition-penalty', '--repeat-penalty X divides the logits of recent tokens by X.'],
  ['sampler-seq sampling-seq', '--samplers A,B,C sets the samplers and their order.'],
  ['dry-multiplier dry-base dry-allowed-length', '--dry X,BASE,LENGTH has all three.'],
  ['xtc-probability xtc-threshold', '--xtc P,THRESHOLD has both.'],
  ['mirostat-lr mirostat-ent', '--mirostat 2,TAU,ETA has both.'],
  ['reverse-prompt stop-sequence stop-sequences', '--stop TEXT stops before the text.'],
  ['ctk ctv cache-type-k cache-type-v', '--kv-type TYPE is the type of the KV cache.'],
  ['md model-draft draft-model', '--draft REF is the model that drafts.'],
  [
    'hf hfr hf-repo hff hf-file mu model-url',
    '-m hf:owner/repo/file.gguf downloads a model and uses it; percept pull only downloads it.',
  ],
  ['hf hfr hf-repo hff hf-file mu model-url', 'percept pull hf:owner/repo/file.gguf downloads a model.'],
  [
    'ngl n-gpu-layers gpu-layers num-gpu gpu dev device mg main-gpu sm split-mode',
    '--backend webgpu computes on the GPU; percept devices shows whether there is one.',
  ],
  ['cpu no-gpu', '--backend cpu computes on the processor.'],
  ['n-threads num-thread num-threads tb threads-batch', '--threads N is the number of threads.'],
  ['offline', '--no-pull downloads nothing.'],
  ['format output-format output', '--json prints one JSON object, --jsonl values as they come.'],
  ['format output-format output o', '--json prints one JSON object.'],
  ['color', 'A terminal shows colours; --no-color turns them off.'],
  ['L list-models list', 'percept list shows the models.'],
  ['list-sessions', 'percept sessions lists the conversations.'],
];

export const FLAG_HINTS = [...FOR_ANSWERS, ...FOR_ALL];

/** For commands that do not answer. In the others -t is the temperature. */
const FOR_MEASURES: readonly FlagHint[] = [
  ['t', '--threads N is the number of threads.'],
  ['svg html report-file', '--report FILE writes an .html or .svg report.'],
];

const ANSWERING = new Set(['run', 'chat']);

/** The options in a hint: --max-tokens, -n. */
export function optionsIn(hint: string): string[] {
  return hint.match(/(?<![\w-])--?[a-z][\w-]*/g) ?? [];
}

/**
 * The way on after a flag that a command does not have; undefined for one that is in no table.
 * @param word as it was written: --n-predict, --n_predict=5, -ngl
 * @param hasOption whether the command has an option such as --max-tokens or -n
 */
export function hintForFlag(
  word: string,
  command: string,
  hasOption: (option: string) => boolean,
): string | undefined {
  const name = word.replace(/^--?|=.*/gs, '');
  const usual = name.length > 1 ? name.toLowerCase().replaceAll('_', '-') : name;
  const isLong = usual.length > 1;
  if (isLong && hasOption(`--${usual}`)) return `Did you mean --${usual}?`;
  const hints = ANSWERING.has(command) ? FLAG_HINTS : [...FOR_ALL, ...FOR_MEASURES];
  const fitting = hints.filter(([flags]) => flags.split(' ').includes(usual));
  return fitting.find(([, hint]) => optionsIn(hint).every(hasOption))?.[1];
}

import { Box, Text, useAnimation, useApp, useInput, usePaste, useWindowSize } from 'ink';
import { memo, useEffect, useLayoutEffect } from 'react';
import { isLateAnswer } from '../../terminal/background.ts';
import type { LiveRegion } from '../../terminal/live-region.ts';
import { Editor as DrawnEditor } from '../editor/Editor.tsx';
import { isPaste, keystrokes } from '../editor/keys.ts';
import { useStore } from '../use-store.ts';
import { type ChatScreen, roomOf, type ScreenState } from './chat-screen.ts';
import { besideMargin } from './entry-lines.ts';
import type { InkApp } from './ink-terminal.ts';
import type { Inspector } from './inspector.ts';
import { inspectorLines, type Room } from './inspector-lines.ts';
import type { Picker } from './picker.ts';
import { pickerLines } from './picker-lines.ts';
import { raceLines } from './race-lines.ts';
import type { RaceModel } from './race-model.ts';
import { footerLine, liveTail, queuedLines, readingLine } from './status-lines.ts';

/** Terminals with fewer rows show no footer, and no gap above a view. */
const LOW_ROWS = 12;

interface AppProps {
  readonly screen: ChatScreen;
  readonly region: LiveRegion;
  /** Receives the Ink app once it is mounted. */
  readonly onReady: (ink: InkApp) => void;
}

/** The live part of the answer, the queue, the editor and the footer; or the open view instead. */
export function App({ screen, region, onReady }: AppProps) {
  const ink = useApp();
  useEffect(() => onReady(ink), [ink, onReady]);
  const { columns, rows } = useWindowSize();
  useEffect(() => {
    screen.resize(columns, rows);
  }, [screen, columns, rows]);
  useInput((input, key) => {
    if (isLateAnswer(input)) return;
    if (isPaste(input)) return screen.paste(input);
    for (const stroke of keystrokes(input, key)) screen.key(...stroke);
  });
  usePaste((text) => screen.paste(text));
  const state = useStore(screen.state);
  return (
    <Box flexDirection="column">
      {state.view ? (
        <View view={state.view} screen={screen} state={state} />
      ) : (
        <Chat screen={screen} region={region} state={state} />
      )}
    </Box>
  );
}

/** Memoized: the lines around it change more often. */
const Editor = memo(DrawnEditor);

function Chat({ screen, region, state }: Omit<AppProps, 'onReady'> & { state: ScreenState }) {
  const { theme, dialogue, transcript, editor } = screen;
  const { columns, rows } = state;
  const live = useStore(transcript.live);
  const chat = useStore(dialogue.state);
  const streams = live.length > 0;
  // A layout effect runs before the region writes the frame that it is for.
  useLayoutEffect(() => region.drawCaret(streams), [region, streams]);
  const low = rows < LOW_ROWS;
  const editorRows = Math.max(1, Math.min(10, Math.floor(rows / 3)));
  const waiting = [
    ...(chat.reading ? [readingLine(chat.reading, columns, theme)] : []),
    ...queuedLines(
      chat.queued.map(({ text }) => text),
      columns,
      theme,
    ),
  ];
  const budget = Math.max(1, rows - editorRows - waiting.length - (low ? 2 : 4));
  const above = [...liveTail(live, budget, theme), ...waiting, ...(low ? [] : [' '])];
  return (
    <>
      {above.length > 0 && <Lines lines={above} />}
      <Editor
        model={editor}
        theme={theme}
        columns={columns}
        maxRows={editorRows}
        placeholder={placeholderOf(chat.phase)}
        onCaret={region.place}
      />
      {!low && <Text wrap="truncate">{footerLine(chat, state, theme)}</Text>}
    </>
  );
}

function placeholderOf(phase: string): string {
  return phase === 'loading'
    ? 'Ask anything; it is sent as soon as the model is loaded'
    : 'Ask anything, /help for more';
}

function View({
  view,
  screen,
  state,
}: {
  view: NonNullable<ScreenState['view']>;
  screen: ChatScreen;
  state: ScreenState;
}) {
  const room = roomOf(state);
  return (
    <>
      {state.rows >= LOW_ROWS && <Text> </Text>}
      {view.kind === 'inspector' && <InspectorView model={view.model} screen={screen} room={room} />}
      {view.kind === 'race' && <RaceView model={view.model} screen={screen} room={room} />}
      {view.kind === 'picker' && <PickerView model={view.model} screen={screen} room={room} />}
    </>
  );
}

function PickerView({ model, screen, room }: { model: Picker; screen: ChatScreen; room: Room }) {
  const state = useStore(model.state);
  return <Lines lines={pickerLines(state, room, screen.theme)} />;
}

function InspectorView({ model, screen, room }: { model: Inspector; screen: ChatScreen; room: Room }) {
  const state = useStore(model.state);
  return <Lines lines={besideMargin(inspectorLines(state, room, screen.theme))} />;
}

/** Redrawn ten times a second until both lanes are finished and replayed. */
function RaceView({ model, screen, room }: { model: RaceModel; screen: ChatScreen; room: Room }) {
  const state = useStore(model.state);
  const end = Math.max(0, ...state.lanes.map(({ pieces }) => pieces.at(-1)?.ms ?? 0));
  const now = performance.now();
  useAnimation({ interval: 100, isActive: !state.over || now - state.clock < end });
  return <Lines lines={besideMargin(raceLines(state, room, screen.theme, now))} />;
}

/** Ink gives an empty first line no height, so empty lines become spaces. Lines laid out for another width are cut. */
function Lines({ lines }: { lines: readonly string[] }) {
  return <Text wrap="truncate">{lines.map((line) => line || ' ').join('\n')}</Text>;
}

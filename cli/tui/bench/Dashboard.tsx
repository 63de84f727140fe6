import { Text, useInput, useStdin, useWindowSize } from 'ink';
import type { Store } from '../../store.ts';
import type { Theme } from '../../terminal/theme.ts';
import { useStore } from '../use-store.ts';
import { dashboardLines, type Moment } from './dashboard.ts';

interface DashboardProps {
  readonly store: Store<Moment>;
  readonly theme: Theme;
  readonly onStop: () => void;
}

/** The whole screen as one text: lines are cheaper than boxes while a machine is measured. */
export function Dashboard({ store, theme, onStop }: DashboardProps) {
  const moment = useStore(store);
  const { columns, rows } = useWindowSize();
  const { isRawModeSupported } = useStdin();
  const lines = dashboardLines(moment, { columns, rows }, theme);
  return (
    <>
      {isRawModeSupported && <Keys onStop={onStop} />}
      {/* An empty first line would have no height. */}
      <Text>{lines.map((line) => line || ' ').join('\n')}</Text>
    </>
  );
}

/** Esc, q and Ctrl-C stop. */
function Keys({ onStop }: Pick<DashboardProps, 'onStop'>) {
  useInput((input, key) => {
    if (key.escape || input === 'q' || (key.ctrl && input === 'c')) onStop();
  });
  return null;
}

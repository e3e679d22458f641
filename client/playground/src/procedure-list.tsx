import type { PlaygroundProcedure } from '@parley/server/rpc/playground';
import { useState } from 'react';

/** Every procedure, by what it is about, with a field to find one. */
export function ProcedureList({
  procedures,
  current,
}: {
  procedures: readonly PlaygroundProcedure[];
  current: string;
}) {
  const [wanted, setWanted] = useState('');
  const found = procedures.filter(({ path }) => path.toLowerCase().includes(wanted.trim().toLowerCase()));
  const nouns = Map.groupBy(found, ({ path }) => path.split('.')[0] ?? path);
  return (
    <nav className="procedures" aria-label="Procedures">
      <label className="sr-only" htmlFor="find">
        Find a procedure
      </label>
      <input
        id="find"
        type="search"
        className="field"
        placeholder="Find a procedure"
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
      />
      {found.length === 0 && <p className="note">No procedure has that in its name.</p>}
      {[...nouns].map(([noun, group]) => (
        <div key={noun}>
          <h2 id={`noun-${noun}`}>{noun}</h2>
          <ul aria-labelledby={`noun-${noun}`}>
            {group.map(({ path, type }) => (
              <li key={path}>
                <a href={`#${path}`} aria-current={path === current ? 'page' : undefined}>
                  <span>{path.slice(noun.length + 1)}</span>
                  <span className={`kind-mark ${type}`}>{type}</span>
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

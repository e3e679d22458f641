/** Strokes on a grid of 24, drawn for this page. */
const paths = {
  plus: 'M12 5v14M5 12h14',
  search: 'M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM16 16l4 4',
  send: 'M12 19V5.5M6 11l6-6 6 6',
  stop: 'M8 8h8v8H8z',
  mic: 'M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3',
  clip: 'M19 11.5l-7.2 7.2a4.6 4.6 0 0 1-6.5-6.5l7.7-7.7a3.1 3.1 0 0 1 4.4 4.4l-7.7 7.7a1.5 1.5 0 0 1-2.2-2.2l7-7',
  close: 'M6 6l12 12M18 6L6 18',
  menu: 'M4 7h16M4 12h16M4 17h10',
  more: 'M5.5 12h.01M12 12h.01M18.5 12h.01',
  speaker: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  mute: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5',
  timeline: 'M4 6h7M8 12h9M13 18h7',
  settings:
    'M4 8h8M17 8h3M4 16h3M12 16h8M14.5 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM9.5 13.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  pencil: 'M5 19l1-4L16.5 4.5a1.8 1.8 0 0 1 2.6 0l.4.4a1.8 1.8 0 0 1 0 2.6L9 18z',
  trash: 'M5 7h14M10 4h4M7 7l.8 12a1 1 0 0 0 1 1h6.4a1 1 0 0 0 1-1L17 7M10.5 11v5M13.5 11v5',
  flag: 'M6 21V4.5h11l-2.5 4 2.5 4H6',
  retry: 'M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4',
  down: 'M12 5v13M6 12.5l6 6 6-6',
  file: 'M7 3.5h6.5L18 8v12.5H7zM13.5 3.5V8H18',
  out: 'M10 5H5.5v14H10M14 8l4 4-4 4M18 12H9',
  link: 'M10 14l8-8M12.5 6H18v5.5M17 14v4.5H6v-11h4.5',
  cloud: 'M4 4l16 16M8 8a5 5 0 0 0-1 10h10M18.5 16.5A3.7 3.7 0 0 0 17 10.5 5 5 0 0 0 11.5 7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
} as const;

export type IconName = keyof typeof paths;

/** An ornament: what it stands beside, or in, has the words. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  const isDots = name === 'more';
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={name === 'stop' ? 'currentColor' : 'none'}
      stroke="currentColor"
      strokeWidth={isDots ? 2.75 : 1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}

export function Mark({ size = 32 }: { size?: number }) {
  return <img className="mark" src="/favicon.svg" alt="" width={size} height={size} />;
}

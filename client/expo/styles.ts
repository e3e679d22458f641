import { StyleSheet, useColorScheme } from 'react-native';

/** The app's styles, light or dark as the phone is. */
export function useStyles() {
  return useColorScheme() === 'dark' ? dark : light;
}

const light = sheet({ text: '#1a1a1a', faint: '#666666', line: '#dddddd', accent: '#2457d6', bubble: '#f0f2f6' });
const dark = sheet({ text: '#eeeeee', faint: '#a0a0a0', line: '#333333', accent: '#7da2ff', bubble: '#22252b' });

function sheet(color: { text: string; faint: string; line: string; accent: string; bubble: string }) {
  return StyleSheet.create({
    fill: { flex: 1 },
    bar: { flexDirection: 'row', alignItems: 'center', gap: 12, padding: 12 },
    row: { padding: 16, borderBottomWidth: StyleSheet.hairlineWidth, borderColor: color.line },
    title: { fontSize: 17, color: color.text, flexShrink: 1 },
    faint: { color: color.faint },
    notice: { padding: 12, color: color.faint },
    bubble: { margin: 8, padding: 12, borderRadius: 12, backgroundColor: color.bubble, maxWidth: '85%' },
    own: { alignSelf: 'flex-end' },
    text: { fontSize: 16, color: color.text },
    input: { flex: 1, padding: 12, borderRadius: 12, borderWidth: 1, borderColor: color.line, color: color.text },
    button: { minHeight: 44, justifyContent: 'center', paddingHorizontal: 16 },
    buttonText: { fontSize: 16, color: color.accent },
  });
}

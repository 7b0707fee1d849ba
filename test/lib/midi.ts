import type { Page } from 'playwright-core';

export interface MidiInput {
  onmidimessage?: (event: { data: number[] }) => void;
}

/** Gives a page a MIDI device on which a test plays. */
export const addMidi = (page: Page): Promise<unknown> =>
  page.addInitScript(() => {
    const input: MidiInput = {};
    Object.assign(window, { midi: input });
    Object.assign(navigator, { requestMIDIAccess: () => Promise.resolve({ inputs: new Map([['one', input]]) }) });
  });

/** Sends the bytes of a MIDI message from that device. */
export const playMidi = (page: Page, ...data: number[]): Promise<void> =>
  page.evaluate((bytes) => (window as unknown as { midi: MidiInput }).midi.onmidimessage?.({ data: bytes }), data);

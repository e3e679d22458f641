/** Another living server holds the data folder. Stop it, or choose another folder. */
export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';

  constructor(folder: string) {
    super(`the data folder ${folder} is in use by another server: stop that one, or set DATA_DIR to another folder`);
  }
}

/** The embedded PostgreSQL cannot run here. The message is one line for people: what is wrong and what to do. */
export class EmbeddedUnavailable extends Error {
  override readonly name = 'EmbeddedUnavailable';
}

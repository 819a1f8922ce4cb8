/** Copies column `from` to the beginning of the longer column `to`. @returns `to` */
export function grownColumn<Column extends { set(source: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

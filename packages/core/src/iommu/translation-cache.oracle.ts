/** The obvious cache: a list that is searched from one end to the other. It never evicts. */
export class TranslationCacheOracle {
  entries: { owner: number; page: number; level: number; pfn: number; rights: number }[] = [];

  find(owner: number, page: number, level: number): { pfn: number; rights: number } | undefined {
    return this.entries.find((entry) => entry.owner === owner && entry.page === page && entry.level === level);
  }

  store(owner: number, page: number, level: number, pfn: number, rights: number): void {
    this.entries = this.entries.filter((entry) => !(entry.owner === owner && entry.page === page && entry.level === level));
    this.entries.push({ owner, page, level, pfn, rights });
  }

  dropRange(owner: number, level: number, first: number, last: number): void {
    this.entries = this.entries.filter(
      (entry) => !(entry.owner === owner && entry.level === level && entry.page <= last && entry.page + 512 ** (level - 1) - 1 >= first),
    );
  }

  dropOwner(owner: number): void {
    this.entries = this.entries.filter((entry) => entry.owner !== owner);
  }

  dropAll(): void {
    this.entries = [];
  }
}

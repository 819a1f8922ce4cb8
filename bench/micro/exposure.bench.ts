import {
  encodeIotlbDomain,
  encodeIotlbPages,
  lazy,
  Machine,
  newDescriptor,
  ObservationLog,
  Observed,
  PAGE_SIZE,
  type ProtectionPolicy,
  pcMachine,
  Rights,
  strict,
} from 'dmalab-core';
import { ExposureAuditor, MappedMemory } from 'dmalab-lab';
import type { MicroBench } from './micro-bench.ts';

const IOVA = 0xff000000;
const PHYS = 0x100000000;
/** Mappings that are held all the time, so that tables are not empty. */
const HELD = 4096;
const CALL_NS = 1000;
/** As a lazy ring holds. */
const RING = 255;
const DRAIN = 3;

/** The observations of one device's calls without the engine that makes them: mappings of `pages` pages, the oldest unmapped. */
function mapAndUnmap(name: string, policy: ProtectionPolicy, pages: number): MicroBench {
  const machine = new Machine(pcMachine([policy], { memory: 'accounting' }));
  const auditor = new ExposureAuditor(machine);
  const domain = machine.domains[0].id;
  const log = new ObservationLog();
  const words = newDescriptor();
  const address = new Float64Array(1);
  const bytes = Float64Array.of(pages * PAGE_SIZE - 1000);
  const invalidate = (): void => {
    log.emit(Observed.DESCRIPTOR_SUBMITTED, 0, 0, domain, words[1], words[0], words[3], words[2]);
    log.emit(Observed.INVALIDATION_COMPLETED, 0, 0, domain, 2);
  };
  let calls = 0;
  const begin = (): void => {
    calls += 1;
    log.clear();
    log.nowNs = calls * CALL_NS;
    auditor.callBegins(calls, log.nowNs);
    log.emit(Observed.CALL_BEGUN, 0, 0, domain);
  };
  const placeOf = (mapping: number): number => mapping * pages * PAGE_SIZE;
  const map = (mapping: number): void => {
    begin();
    log.emit(Observed.MAPPED, 0, 0, domain, IOVA + placeOf(mapping), PHYS + placeOf(mapping), pages * PAGE_SIZE, Rights.READ_WRITE);
    log.emit(Observed.CALL_ENDED, 0, 0, domain);
    auditor.observe(log);
    address[0] = IOVA + placeOf(mapping);
    auditor.mappingMade(0, mapping, MappedMemory.STREAMING, address, bytes, 0, 1);
  };
  let waiting = 0;
  const unmap = (mapping: number): void => {
    begin();
    auditor.mappingEnds(mapping);
    const iova = IOVA + placeOf(mapping);
    log.emit(Observed.UNMAPPED, 0, 0, domain, iova, pages * PAGE_SIZE, pages * PAGE_SIZE);
    waiting += 1;
    if (!policy.lazy) {
      encodeIotlbPages(words, domain, DRAIN, iova / PAGE_SIZE, Math.log2(pages), true);
      invalidate();
    } else if (waiting === RING) {
      encodeIotlbDomain(words, domain, DRAIN);
      invalidate();
      waiting = 0;
    }
    log.emit(Observed.CALL_ENDED, 0, 0, domain);
    auditor.observe(log);
  };
  for (let mapping = 0; mapping < HELD; mapping++) map(mapping);
  let oldest = 0;
  return {
    name,
    unit: 'ns/op',
    iterations: 400_000,
    note: 'per page: mapped, unmapped and invalidated',
    run(iterations) {
      for (let done = 0; done < iterations; done += pages) {
        unmap(oldest);
        map(oldest);
        oldest = (oldest + 1) % HELD;
      }
    },
  };
}

/** What following the exposure adds to a replay. */
export const exposureBenches: MicroBench[] = [
  mapAndUnmap('exposure: strict, 1 page', strict, 1),
  mapAndUnmap('exposure: strict, 16 pages', strict, 16),
  mapAndUnmap('exposure: lazy, 1 page', lazy, 1),
];

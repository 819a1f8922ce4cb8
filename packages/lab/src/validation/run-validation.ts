import type { CostProfile } from '../cost/cost-profile.ts';
import { fastAndSafeEquation } from './fast-and-safe-equation.ts';
import { fastAndSafeFlows, fastAndSafeGeometries } from './fast-and-safe-flows.ts';
import { hns3TransmitCopy } from './hns3-transmit-copy.ts';
import { mapBenchmarkThreads } from './map-benchmark-threads.ts';
import { nvmeInstances } from './nvme-instances.ts';
import { nvmeStrictLazy } from './nvme-strict-lazy.ts';
import { poolLock } from './pool-lock.ts';
import { pooledBounce } from './pooled-bounce.ts';
import { receiveCopyRemap } from './receive-copy-remap.ts';
import { smmuv3OtherSeries, smmuv3Scaling } from './smmuv3-scaling.ts';
import type { ValidationCheck } from './validation-check.ts';
import { virtioReceive, virtioTransmit } from './virtio-network.ts';

/**
 * All checks of the model against published figures, those with a required bound first.
 *
 * @param profileNamed  gives a profile that comes along, by its name
 */
export function runValidation(profileNamed: (name: string) => CostProfile): ValidationCheck[] {
  const vtd = profileNamed('vtd-bare');
  const guest = profileNamed('vtd-nested-guest');
  const smmuv3 = profileNamed('smmuv3-server');
  return [
    nvmeStrictLazy(vtd),
    smmuv3Scaling(smmuv3),
    fastAndSafeEquation(),
    smmuv3OtherSeries(smmuv3),
    fastAndSafeFlows(),
    fastAndSafeGeometries(),
    receiveCopyRemap(vtd),
    pooledBounce(vtd, guest),
    virtioTransmit(vtd),
    virtioReceive(vtd),
    mapBenchmarkThreads(smmuv3),
    hns3TransmitCopy(smmuv3),
    nvmeInstances(vtd),
    poolLock(vtd),
  ];
}

// SPDX-License-Identifier: GPL-2.0-only
/// Who handles a run of PTEs at once tells the TLB of it at once:
/// tlb_remove_tlb_entries() or tlb_flush_pte_range() for what mmu_gather has to
/// flush, and one call for the MMU's cache of what was mapped. Entry by entry,
/// mmu_gather adjusts its range for each.
///
//# Loops that go from PTE to PTE and decide at each are not reported, unless
//# the function found a run before. Patch mode rewrites the loop over a run.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: tlb_remove_tlb_entry, update_mmu_cache, tlb_remove_tlb_entries

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

OWNERS = ("tlb_remove_tlb_entries", "update_mmu_cache_range")

def outside(positions):
    return all(p.current_element not in OWNERS for p in positions)

// ----------------------------------------------------------------------------

@patched depends on patch@
identifier fn, i;
expression n, tlb, ptep, addr;
@@

fn(...)
{
<+...
- for (i = 0; i < n; i++)
-	tlb_remove_tlb_entry(tlb, ptep + i, addr + i * PAGE_SIZE);
+ tlb_remove_tlb_entries(tlb, ptep, n, addr);
...+>
}

// A counter that counts nothing any more.
@depends on patched@
identifier patched.fn, patched.i;
type T;
@@

fn(...)
{
...
- T i;
... when != i
}

// ----------------------------------------------------------------------------
// By an index that counts the entries of a run.

@each depends on !patch exists@
identifier i;
expression E;
identifier f = {tlb_remove_tlb_entry, __tlb_remove_tlb_entry, update_mmu_cache};
position e : script:python() { outside(e) };
@@

(
for (...;...; <+... i++ ...+>) {
	... when any
	f@e(..., \(E + i\|&E[i]\), ...)
	... when any
}
|
for (...;...; <+... i++ ...+>)
	f@e(..., \(E + i\|&E[i]\), ...);
)

// From PTE to PTE, after a run was found or written.
@after depends on !patch exists@
identifier run = {folio_pte_batch, set_ptes, clear_full_ptes, get_and_clear_ptes,
		wrprotect_ptes, clear_young_dirty_ptes};
identifier ptep;
identifier f = {tlb_remove_tlb_entry, __tlb_remove_tlb_entry, update_mmu_cache};
position p : script:python() { outside(p) };
position q != each.e;
@@

run(...)
... when any
(
for (...;...; <+... ptep++ ...+>) {
	... when any
	f@p@q(..., ptep, ...)
	... when any
}
|
for (...;...; <+... ptep++ ...+>)
	f@p@q(..., ptep, ...);
)

@depends on context@
identifier each.f;
position each.e;
@@

* f@e(...)

@depends on context@
identifier after.f;
position after.p;
@@

* f@p(...)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << each.e;
f << each.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each PTE of a run" % f)

@script:python depends on org@
p << after.p;
f << after.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each PTE of a run" % f)

@script:python depends on report@
p << each.e;
f << each.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each PTE of a run" % f)

@script:python depends on report@
p << after.p;
f << after.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each PTE of a run" % f)

// SPDX-License-Identifier: GPL-2.0-only
/// A run of PTEs is found, written and cleared with the page table's lock held:
/// pte_offset_map() does not take it, pte_unmap_unlock() drops it.
///
//# Only a page table that the function itself maps is seen. Functions that get
//# a PTE from their caller say "Context: The page table lock is held", and
//# lockdep asks them. Patch mode takes the lock where the table is mapped and
//# unmapped by this function.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: pte_offset_map_lock, pte_unmap_unlock, folio_pte_batch, set_ptes

virtual patch
virtual context
virtual org
virtual report

@depends on patch exists@
identifier run = {folio_pte_batch, set_ptes, wrprotect_ptes, get_and_clear_ptes, clear_full_ptes,
		clear_young_dirty_ptes, copy_folio_ptes, zap_folio_ptes, protect_ptes};
typedef pte_t, spinlock_t;
identifier fn, vma, ptep;
expression pmd, addr;
@@

fn(..., struct vm_area_struct *vma, ...)
{
	... when any
	pte_t *ptep;
+	spinlock_t *ptl;
	... when any
-	ptep = pte_offset_map(pmd, addr);
+	ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	... when != spin_lock(...)
	run(..., ptep, ...)
	... when any
-	pte_unmap(ptep);
+	pte_unmap_unlock(ptep, ptl);
	... when any
}

// ----------------------------------------------------------------------------

// A PMD of the function's own: nobody else sees its page table yet.
@own@
identifier pmd;
position o;
@@

pte_offset_map@o(&pmd, ...)

@mapped depends on !patch exists@
identifier run = {folio_pte_batch, set_ptes, wrprotect_ptes, get_and_clear_ptes, clear_full_ptes,
		clear_young_dirty_ptes, copy_folio_ptes, zap_folio_ptes, lazyfree_folio_ptes,
		cold_folio_ptes, protect_ptes, unmap_folio_ptes, migrate_folio_ptes,
		restore_folio_ptes};
expression ptep, pmd, addr;
position p, q != own.o;
@@

* ptep = pte_offset_map@q(pmd, addr)
  ... when != \(spin_lock\|spin_lock_nested\|spin_trylock\)(...)
      when != ptep = ...
* run@p(..., ptep, ...)

@dropped depends on !patch exists@
identifier run = {folio_pte_batch, set_ptes, wrprotect_ptes, get_and_clear_ptes, clear_full_ptes,
		clear_young_dirty_ptes, copy_folio_ptes, zap_folio_ptes, lazyfree_folio_ptes,
		cold_folio_ptes, protect_ptes, unmap_folio_ptes, migrate_folio_ptes,
		restore_folio_ptes};
expression ptep, ptl;
position p;
@@

* pte_unmap_unlock(ptep, ptl)
  ... when != ptep = ...
      when != \(spin_lock\|spin_lock_nested\)(...)
* run@p(..., ptep, ...)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << mapped.p;
f << mapped.run;
@@

coccilib.org.print_todo(p[0], "ERROR %s() without the page table's lock" % f)

@script:python depends on org@
p << dropped.p;
f << dropped.run;
@@

coccilib.org.print_todo(p[0], "ERROR %s() without the page table's lock" % f)

@script:python depends on report@
p << mapped.p;
f << mapped.run;
@@

coccilib.report.print_report(p[0], "ERROR: %s() without the page table's lock" % f)

@script:python depends on report@
p << dropped.p;
f << dropped.run;
@@

coccilib.report.print_report(p[0], "ERROR: %s() without the page table's lock" % f)

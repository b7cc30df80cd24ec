// SPDX-License-Identifier: GPL-2.0-only
/// Use pte_next_pfn() to get from a PTE to that of the next page. The PFN is
/// not at the same place, nor counted in the same direction, on each
/// architecture: arm64 with 52-bit addresses keeps its upper bits apart, x86
/// inverts it in a PROT_NONE entry.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: pte_next_pfn, pte_val, pfn_pte, set_ptes

virtual patch
virtual context
virtual org
virtual report

// The functions that know how it is done may do it.
@owner@
identifier fn =~ "^(pte_pfn_step|pte_add_step|pte_next_pfn|pte_advance_pfn|set_ptes)$";
position o;
@@

fn@o(...) { ... }

// ----------------------------------------------------------------------------

@depends on patch@
expression E;
identifier fn;
position q != owner.o;
@@

fn@q(...)
{
<...
(
- __pte(pte_val(E) + PAGE_SIZE)
+ pte_next_pfn(E)
|
- __pte(pte_val(E) + (1 << PAGE_SHIFT))
+ pte_next_pfn(E)
|
- __pte(pte_val(E) + (1UL << PAGE_SHIFT))
+ pte_next_pfn(E)
|
- pfn_pte(pte_pfn(E) + 1, pte_pgprot(E))
+ pte_next_pfn(E)
|
- pte_val(E) += PAGE_SIZE
+ E = pte_next_pfn(E)
|
- E.pte += PAGE_SIZE
+ E = pte_next_pfn(E)
)
...>
}

// ----------------------------------------------------------------------------

@step depends on !patch@
expression E, n;
identifier fn;
position q != owner.o;
position p;
@@

fn@q(...)
{
<+...
(
* __pte(pte_val@p(E) + <+... PAGE_SIZE ...+>)
|
* __pte(pte_val@p(E) - <+... PAGE_SIZE ...+>)
|
* __pte(pte_val@p(E) + <+... PAGE_SHIFT ...+>)
|
* __pte(pte_val@p(E) - <+... PAGE_SHIFT ...+>)
|
* pfn_pte(pte_pfn@p(E) + n, ...)
|
* pte_val@p(E) += <+... \(PAGE_SIZE\|PAGE_SHIFT\) ...+>
|
* E.pte@p += <+... \(PAGE_SIZE\|PAGE_SHIFT\) ...+>
)
...+>
}

// ----------------------------------------------------------------------------

@script:python depends on org@
p << step.p;
@@

coccilib.org.print_todo(p[0], "WARNING arithmetic on a PTE's value, use pte_next_pfn()")

@script:python depends on report@
p << step.p;
@@

coccilib.report.print_report(p[0], "WARNING: arithmetic on a PTE's value, use pte_next_pfn()")

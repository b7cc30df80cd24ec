// SPDX-License-Identifier: GPL-2.0-only
/// The order of a folio for anonymous memory is chosen in one place, by
/// anon_fault_orders() and alloc_anon_folio(): there the administrator's
/// settings, the VMA's hint and its limits count, and a failure steps down
/// without waking the OOM killer. And no such folio is of order 1: the
/// deferred-split list is in its second tail page.
///
//# There is no patch mode: what to do instead depends on the caller. A copy
//# that has the order of what it replaces (folio_order()), a PMD-sized folio
//# and one for shmem's pseudo VMA are not reported.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: vma_alloc_folio, alloc_anon_folio, anon_fault_orders

virtual context
virtual org
virtual report

@initialize:python@
@@

# Who chooses, and the allocator itself.
OWNERS = ("alloc_anon_folio", "vma_alloc_folio", "alloc_page_vma")

choosers = set()

def outside(positions):
    return all(p.current_element not in OWNERS and
               (p.file, p.current_element) not in choosers for p in positions)

// Or a function that asks which orders are allowed.
@asks@
identifier select = {anon_fault_orders, anon_folio_orders, thp_vma_allowable_orders,
		thp_vma_suitable_orders};
position a;
@@

select@a(...)

@script:python@
a << asks.a;
@@

choosers.update((p.file, p.current_element) for p in a)

@copy@
expression F;
position c;
@@

vma_alloc_folio@c(..., <+... \(folio_order\|compound_order\|thp_order\)(F) ...+>, ...)

@copied exists@
expression F;
identifier order;
position d;
@@

order = \(folio_order\|compound_order\|thp_order\)(F)
... when != order = ...
vma_alloc_folio@d(..., order, ...)

@copied_init exists@
expression F;
identifier order;
type T;
position e;
@@

T order = \(folio_order\|compound_order\|thp_order\)(F);
... when != order = ...
vma_alloc_folio@e(..., order, ...)

@one@
position p : script:python() { outside(p) };
@@

* vma_alloc_folio@p(..., 1, ...)

@chosen@
expression order != {0, 1, HPAGE_PMD_ORDER};
expression gfp;
position q != {copy.c, copied.d, copied_init.e};
position p : script:python() { outside(p) };
@@

* vma_alloc_folio@p@q(gfp, order, ...)

// By its use: a folio that becomes new anonymous memory.
@used exists@
expression order != {0, 1, HPAGE_PMD_ORDER};
expression gfp;
position p : script:python() { outside(p) };
@@

* folio_alloc@p(gfp, order)
  ... when any
* folio_add_new_anon_rmap(...)

@used_page exists@
expression order != {0, 1, HPAGE_PMD_ORDER};
expression gfp;
position p : script:python() { outside(p) };
@@

* alloc_pages@p(gfp, order)
  ... when any
* page_add_new_anon_rmap(...)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << one.p;
@@

coccilib.org.print_todo(p[0], "WARNING an anonymous folio can't be of order 1")

@script:python depends on org@
p << chosen.p;
@@

coccilib.org.print_todo(p[0], "WARNING order not chosen by anon_fault_orders() and alloc_anon_folio()")

@script:python depends on org@
p << used.p;
@@

coccilib.org.print_todo(p[0], "WARNING order not chosen by anon_fault_orders() and alloc_anon_folio()")

@script:python depends on org@
p << used_page.p;
@@

coccilib.org.print_todo(p[0], "WARNING order not chosen by anon_fault_orders() and alloc_anon_folio()")

@script:python depends on report@
p << one.p;
@@

coccilib.report.print_report(p[0], "WARNING: an anonymous folio can't be of order 1")

@script:python depends on report@
p << chosen.p;
@@

coccilib.report.print_report(p[0], "WARNING: order not chosen by anon_fault_orders() and alloc_anon_folio()")

@script:python depends on report@
p << used.p;
@@

coccilib.report.print_report(p[0], "WARNING: order not chosen by anon_fault_orders() and alloc_anon_folio()")

@script:python depends on report@
p << used_page.p;
@@

coccilib.report.print_report(p[0], "WARNING: order not chosen by anon_fault_orders() and alloc_anon_folio()")

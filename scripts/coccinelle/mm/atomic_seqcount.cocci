// SPDX-License-Identifier: GPL-2.0-only
/// What a reader of an atomic_seqcount copied means nothing until
/// read_atomic_seqcount_retry() was asked. A writer's section is left by its end
/// and by no other way, and does not sleep: readers and other writers wait for
/// it. folio_begin_rmap() and page_begin_rmap() begin such sections, too.
///
//# A function that begins a section for its caller returns what began it and is
//# not reported. Patch mode ends the section before a return.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: atomic_seqcount, folio_begin_rmap, folio_end_rmap

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

# The end of a function without a value is a return, too, but of one column.
def explicit(positions):
    return all(int(p.column_end) - int(p.column) > 1 for p in positions)

// ----------------------------------------------------------------------------

@pair exists@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
expression S, sole;
position b;
@@

begin@b(S)
... when any
end(S, sole)

@depends on patch exists@
identifier pair.begin, pair.end;
expression pair.S, pair.sole;
position pair.b;
@@

  begin@b(S)
  ... when != end(...)
+ end(S, sole);
  return ...;

// ----------------------------------------------------------------------------
// Sections that are left.

@left depends on !patch exists@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
expression S;
position r : script:python() { explicit(r) };
@@

* begin(S)
  ... when != end(...)
* return@r ...;

@passed@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
position h;
@@

return <+... begin@h(...) ...+>;

@unended depends on !patch forall@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
identifier fn;
position n != passed.h;
@@

fn(...)
{
	... when any
*	begin@n(...)
	... when != end(...)
}

@slept depends on !patch exists@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
identifier sleep = {schedule, schedule_timeout, cond_resched, might_sleep, msleep, usleep_range,
		mutex_lock, down_read, down_write, mmap_read_lock, mmap_write_lock,
		folio_lock, lock_page, copy_from_user, copy_to_user, get_user, put_user,
		wait_event, wait_for_completion, synchronize_rcu};
expression S;
position p;
@@

* begin(S)
  ... when != end(...)
* sleep@p(...)

@allocated depends on !patch exists@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
expression S;
position p;
@@

* begin(S)
  ... when != end(...)
* \(kmalloc@p\|kzalloc@p\|kcalloc@p\|alloc_page@p\|alloc_pages@p\|kmem_cache_alloc@p\|folio_alloc@p\)(..., <+... GFP_KERNEL ...+>, ...)

@nested depends on !patch exists@
identifier begin = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap};
identifier end = {write_atomic_seqcount_end, folio_end_rmap, page_end_rmap};
identifier again = {write_atomic_seqcount_begin, folio_begin_rmap, page_begin_rmap,
		read_atomic_seqcount_begin, folio_mapped_shared, page_mapped_shared};
expression S;
position p;
@@

* begin(S)
  ... when != end(...)
* again@p(...)

// ----------------------------------------------------------------------------
// Readers.

@asks@
position a;
@@

return@a <+... read_atomic_seqcount_retry(...) ...+>;

@unasked depends on !patch exists@
expression S;
position r != asks.a;
@@

* read_atomic_seqcount_begin(S)
  ... when != read_atomic_seqcount_retry(...)
* return@r ...;

@unasked_try depends on !patch exists@
expression S, seq;
statement T;
position p != asks.a;
@@

if (!try_read_atomic_seqcount_begin(S, &seq)) T
  ... when != read_atomic_seqcount_retry(...)
* return@p ...;

@unasked_within depends on !patch exists@
expression S, seq;
position p != asks.a;
@@

if (try_read_atomic_seqcount_begin(S, &seq)) {
  ... when != read_atomic_seqcount_retry(...)
* return@p ...;
  ...
}

@ignored depends on !patch@
expression S, seq;
position p;
@@

(
* read_atomic_seqcount_retry@p(S, seq);
|
* try_read_atomic_seqcount_begin@p(S, seq);
|
* read_atomic_seqcount_begin@p(S);
)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << left.r;
@@

coccilib.org.print_todo(p[0], "WARNING return in a section that was not ended")

@script:python depends on org@
p << unended.n;
@@

coccilib.org.print_todo(p[0], "WARNING a section that is not ended")

@script:python depends on org@
p << slept.p;
s << slept.sleep;
@@

coccilib.org.print_todo(p[0], "WARNING %s() in a section, which must not sleep" % s)

@script:python depends on org@
p << allocated.p;
@@

coccilib.org.print_todo(p[0], "WARNING an allocation in a section that may sleep")

@script:python depends on org@
p << nested.p;
s << nested.again;
@@

coccilib.org.print_todo(p[0], "WARNING %s() in a section: they don't nest, nor may a reader wait" % s)

@script:python depends on org@
p << unasked.r;
@@

coccilib.org.print_todo(p[0], "WARNING what was read is used without read_atomic_seqcount_retry()")

@script:python depends on org@
p << unasked_try.p;
@@

coccilib.org.print_todo(p[0], "WARNING what was read is used without read_atomic_seqcount_retry()")

@script:python depends on org@
p << unasked_within.p;
@@

coccilib.org.print_todo(p[0], "WARNING what was read is used without read_atomic_seqcount_retry()")

@script:python depends on org@
p << ignored.p;
@@

coccilib.org.print_todo(p[0], "WARNING the result tells whether what is read is a whole")

@script:python depends on report@
p << left.r;
@@

coccilib.report.print_report(p[0], "WARNING: return in a section that was not ended")

@script:python depends on report@
p << unended.n;
@@

coccilib.report.print_report(p[0], "WARNING: a section that is not ended")

@script:python depends on report@
p << slept.p;
s << slept.sleep;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in a section, which must not sleep" % s)

@script:python depends on report@
p << allocated.p;
@@

coccilib.report.print_report(p[0], "WARNING: an allocation in a section that may sleep")

@script:python depends on report@
p << nested.p;
s << nested.again;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in a section: they don't nest, nor may a reader wait" % s)

@script:python depends on report@
p << unasked.r;
@@

coccilib.report.print_report(p[0], "WARNING: what was read is used without read_atomic_seqcount_retry()")

@script:python depends on report@
p << unasked_try.p;
@@

coccilib.report.print_report(p[0], "WARNING: what was read is used without read_atomic_seqcount_retry()")

@script:python depends on report@
p << unasked_within.p;
@@

coccilib.report.print_report(p[0], "WARNING: what was read is used without read_atomic_seqcount_retry()")

@script:python depends on report@
p << ignored.p;
@@

coccilib.report.print_report(p[0], "WARNING: the result tells whether what is read is a whole")

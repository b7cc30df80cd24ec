#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Our MAINTAINERS entries and the kernel's own file:
#
#	maintainers.pl merge KERNEL OURS	KERNEL with our entries, in order
#	maintainers.pl remove KERNEL OURS	KERNEL without our entries
#	maintainers.pl extract BASE MERGED OURS	OURS with what MERGED adds to BASE
#
# An entry is a run of lines without an empty one, whose second line has a
# letter, a colon and a tab. All other text stays where it is.
use strict;
use warnings;

sub blocks {
	my ($file) = @_;
	open(my $fh, '<', $file) or die "maintainers.pl: $file: $!\n";
	local $/;
	my $text = <$fh>;
	return split(/\n\n+/, $text =~ s/\n+\z//r);
}

sub is_entry { return $_[0] =~ /\A[^\n]+\n[A-Z]:\t/; }
sub title { return $_[0] =~ /\A([^\n]*)/ ? uc $1 : ''; }
sub out { print join("\n\n", @_), "\n"; }

my ($mode, @file) = @ARGV;
$mode //= '';

if ($mode eq 'merge' && @file == 2) {
	# The kernel's text is kept to the byte: it has places with two empty
	# lines.
	open(my $fh, '<', $file[0]) or die "maintainers.pl: $file[0]: $!\n";
	my $text = do { local $/; <$fh> };
	for my $entry (grep { is_entry($_) } blocks($file[1])) {
		my $title = title($entry);
		# The kernel's file has entries out of order: take the place with
		# the fewest titles on the wrong side.
		my (@start, @after);
		while ($text =~ /(?<=\n\n)([^\n]+)\n[A-Z]:\t/g) {
			my ($other, $start) = (uc $1, $-[0]);
			die "maintainers.pl: '$title' is in $file[0] already\n" if $other eq $title;
			push(@start, $start);
			push(@after, $other gt $title || $other eq 'THE REST');
		}
		my ($pos, $wrong, $best) = (length($text), 0, 0);
		for my $i (reverse 0 .. $#start) {
			$wrong += $after[$i] ? -1 : 1;
			($pos, $best) = ($start[$i], $wrong) if $wrong <= $best;
		}
		if ($pos == length($text)) {
			$text .= "\n$entry\n";
		} else {
			substr($text, $pos, 0, "$entry\n\n");
		}
	}
	print $text;
} elsif ($mode eq 'remove' && @file == 2) {
	open(my $fh, '<', $file[0]) or die "maintainers.pl: $file[0]: $!\n";
	my $text = do { local $/; <$fh> };
	for my $entry (grep { is_entry($_) } blocks($file[1])) {
		my $pos = index($text, "\n$entry\n");
		die "maintainers.pl: '" . title($entry) . "' is not in $file[0] as it is in $file[1]\n"
			if $pos < 0;
		substr($text, $pos, length($entry) + 2, '') ;
	}
	print $text;
} elsif ($mode eq 'extract' && @file == 3) {
	my %base = map { $_ => 1 } blocks($file[0]);
	my %left = %base;
	my @new;
	for my $block (blocks($file[1])) {
		delete $left{$block};
		push @new, $block unless $base{$block};
	}
	die "maintainers.pl: the kernel's own entry '" . title((sort keys %left)[0]) . "' was changed\n"
		if %left;
	my @text = -e $file[2] ? grep { !is_entry($_) } blocks($file[2]) : ();
	out(@text, @new);
} else {
	die "usage: maintainers.pl merge|remove|extract FILE...\n";
}
